/* Pixels: bytes [side, side, channels] with 1, 3 or 4 channels, the input and output of the network. */
import { resample } from "./resample.js";

/** Converts opaque RGBA to pixels; with 4 channels, RGBA of any opacity stays as it is. */
export function fromRgba(rgba, channels) {
  if (channels === 4) return Uint8ClampedArray.from(rgba);
  const pixels = new Uint8ClampedArray((rgba.length / 4) * channels);
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    const [red, green, blue] = [rgba[from], rgba[from + 1], rgba[from + 2]];
    if (channels === 1) {
      pixels[to++] = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16; // ITU-R 601 luma, as in Pillow
    } else {
      pixels[to++] = red;
      pixels[to++] = green;
      pixels[to++] = blue;
    }
  }
  return pixels;
}

/** Draws pixels on a canvas, and gives it their size. */
export function draw(canvas, pixels, side, channels) {
  const image = new ImageData(side, side);
  for (let place = 0; place < side * side; place++) {
    for (let channel = 0; channel < 3; channel++) {
      image.data[place * 4 + channel] = pixels[place * channels + (channels === 1 ? 0 : channel)];
    }
    image.data[place * 4 + 3] = channels === 4 ? pixels[place * 4 + 3] : 255;
  }
  canvas.width = canvas.height = side;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** Returns the pixels of a canvas or a bitmap. */
export function shownBy(source, channels) {
  const context = contextOf(source.width, source.height, channels !== 4);
  context.drawImage(source, 0, 0);
  return fromRgba(context.getImageData(0, 0, source.width, source.height).data, channels);
}

/** Returns the context of a new canvas for reading, which is white or transparent. */
export function contextOf(width, height, white) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (white) {
    context.fillStyle = "white";
    context.fillRect(0, 0, width, height);
  }
  return context;
}

/** Lays a heatmap over a picture: blue where the network looks least, red where it looks most. Returns RGB. */
export function overlay(pixels, side, channels, heatmap) {
  const mapSide = Math.sqrt(heatmap.length);
  const values = resample(heatmap, mapSide, mapSide, 1, side, side);
  const low = heatmap.reduce((one, other) => Math.min(one, other));
  const high = heatmap.reduce((one, other) => Math.max(one, other));
  const result = new Uint8ClampedArray(side * side * 3);
  values.forEach((value, place) => {
    const height = (value - low) / (high - low || 1);
    for (let channel = 0; channel < 3; channel++) {
      // Each primary is a tent over the value, red's top at 3/4, green's at 1/2, blue's at 1/4.
      const colour = Math.min(1, Math.max(0, 1.5 - Math.abs(4 * height - (3 - channel))));
      const under = pixels[place * channels + (channels === 1 ? 0 : channel)];
      result[place * 3 + channel] = Math.round(0.5 * under + 127.5 * colour);
    }
  });
  return result;
}
