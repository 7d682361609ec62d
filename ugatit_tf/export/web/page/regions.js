/* A square of a picture, and its pixels: the computations of `data/regions.py`, rounded as there.

   A region is {x, y, width, height, angle, beyond, exact}, in pixels from the picture's left upper corner; x and y are of
   its middle, the angle is in degrees, clockwise. `beyond` is what is seen beyond the picture: "white", "reflection" or
   "#rrggbb". The edges of an exact region lie at fractions of pixels.

   A picture is {width, height, channels, read}; `read(left, top, width, height)` returns the bytes
   [height, width, channels] of a part. */

const BLUR = 32; // the reflection is blurred by a box of about a 16th of the square's side, twice
const BAND = 2 ** 20; // pixels that are read at a time
export const WHITE = "white";
export const REFLECTION = "reflection";

/** A picture of bytes [height, width, channels]. */
export class Pixels {
  constructor(data, width, height, channels) {
    Object.assign(this, { data, width, height, channels });
  }

  read(left, top, width, height) {
    if (width === this.width && height === this.height) return this.data;
    const { channels, data } = this;
    const part = new Uint8ClampedArray(width * height * channels);
    for (let y = 0; y < height; y++) {
      const start = ((top + y) * this.width + left) * channels;
      part.set(data.subarray(start, start + width * channels), y * width * channels);
    }
    return part;
  }
}

/** Maps a place in the square, as shares of its sides, to pixels of the picture. */
export function toPicture(region, right, down) {
  const [u, v] = [(right - 0.5) * region.width, (down - 0.5) * region.height];
  const [sine, cosine] = sineAndCosine(region.angle);
  return [region.x + u * cosine - v * sine, region.y + u * sine + v * cosine];
}

/**
 * Reads a square region; antialiased, and with memory near that of the result.
 * @param {object} picture
 * @param {object} region that is a square
 * @param {number} size of the result in pixels
 * @returns {Uint8ClampedArray} [size, size, channels]
 */
export function sample(picture, region, size) {
  const { width, height, channels } = picture;
  const factor = Math.max(1, Math.floor(region.width / size));
  const [left, top, right, bottom] = bounds(region, factor);
  const whole = (value) => Math.floor(value / factor) * factor;
  const box = {
    left: whole(limited(left, 0, width - 1)),
    top: whole(limited(top, 0, height - 1)),
    right: limited(right, 1, width),
    bottom: limited(bottom, 1, height),
  };
  let small = reduced(picture, box, factor, weighted);
  let [shiftX, shiftY] = [box.left, box.top];
  const reflects = region.beyond === REFLECTION;
  if (reflects) {
    const pads = [box.left - left, box.top - top, right - box.right, bottom - box.bottom].map((length) =>
      Math.ceil(Math.max(0, length) / factor),
    );
    small = reflected(small, pads);
    shiftX -= pads[0] * factor;
    shiftY -= pads[1] * factor;
  }
  const [sine, cosine] = sineAndCosine(region.angle);
  const step = region.width / (2 * size) / factor;
  const [x, y] = toPicture(region, 0, 0);
  const matrix = [step * cosine, -step * sine, (x - shiftX) / factor];
  matrix.push(step * sine, step * cosine, (y - shiftY) / factor);
  const fill = reflects ? new Array(channels).fill(0) : colourOf(region.beyond, channels);
  const square = unweighted(halved(transformed(small, matrix, 2 * size, fill), size, channels), channels);
  const reaches = left < 0 || top < 0 || right > width || bottom > height;
  return reflects && reaches ? blurredBeyond(square, region, picture, size) : square;
}

/**
 * Averages blocks of a part of a picture, as Pillow's `reduce` does.
 * @param {object} picture
 * @param {{left: number, top: number, right: number, bottom: number}} box
 * @param {number} factor the side of a block; blocks at the right and at the bottom may be smaller
 * @param {(bytes: Uint8ClampedArray, channels: number) => Uint8ClampedArray} prepared is applied to what is read
 */
export function reduced(picture, { left, top, right, bottom }, factor, prepared = (bytes) => bytes) {
  const { channels } = picture;
  const fullWidth = right - left;
  if (factor === 1 && fullWidth * (bottom - top) <= BAND) {
    const data = prepared(picture.read(left, top, fullWidth, bottom - top), channels);
    return new Pixels(data, fullWidth, bottom - top, channels);
  }
  const [width, height] = [Math.ceil(fullWidth / factor), Math.ceil((bottom - top) / factor)];
  const data = new Uint8ClampedArray(width * height * channels);
  const rows = Math.max(1, Math.floor(BAND / (fullWidth * factor))) * factor;
  for (let start = top; start < bottom; start += rows) {
    const count = Math.min(rows, bottom - start);
    const band = prepared(picture.read(left, start, fullWidth, count), channels);
    for (let y = 0; y < count; y += factor) {
      const down = Math.min(factor, count - y);
      for (let x = 0; x < fullWidth; x += factor) {
        const across = Math.min(factor, fullWidth - x);
        const multiplier = Math.floor(2 ** 24 / (across * down));
        const half = Math.floor((across * down) / 2);
        for (let channel = 0; channel < channels; channel++) {
          let sum = half;
          for (let v = y; v < y + down; v++) {
            for (let u = x; u < x + across; u++) sum += band[(v * fullWidth + u) * channels + channel];
          }
          const at = (((start - top + y) / factor) * width + x / factor) * channels + channel;
          data[at] = Math.floor((sum * multiplier) / 2 ** 24);
        }
      }
    }
  }
  return new Pixels(data, width, height, channels);
}

/** A colour, "white" or "#rrggbb", as an opaque pixel. */
export function colourOf(text, channels) {
  const hex = text === WHITE ? "ffffff" : text.slice(1);
  const [red, green, blue] = [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16));
  if (channels === 1) return [(red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16];
  return [red, green, blue, 255].slice(0, channels);
}

/** How far each pixel of a square lies from the picture's nearest edge, in pixels of the square; negative beyond it. */
export function distances(region, { width, height }, size) {
  const result = new Float64Array(size * size);
  const pixel = region.width / size;
  for (let row = 0, at = 0; row < size; row++) {
    for (let column = 0; column < size; column++, at++) {
      const [x, y] = toPicture(region, (column + 0.5) / size, (row + 0.5) / size);
      result[at] = Math.min(x, width - x, y, height - y) / pixel;
    }
  }
  return result;
}

function sineAndCosine(angle) {
  const radians = ((angle ?? 0) * Math.PI) / 180;
  return [Math.sin(radians), Math.cos(radians)];
}

/** The upright box around a region, in whole pixels, with a margin. */
function bounds(region, margin) {
  const corners = [toPicture(region, 0, 0), toPicture(region, 1, 0), toPicture(region, 1, 1), toPicture(region, 0, 1)];
  const [xs, ys] = [0, 1].map((axis) => corners.map((corner) => corner[axis]));
  const low = (values) => Math.floor(Math.min(...values) - margin);
  const high = (values) => Math.ceil(Math.max(...values) + margin);
  return [low(xs), low(ys), high(xs), high(ys)];
}

function limited(value, least, most) {
  return Math.min(Math.max(value, least), most);
}

/** Widens pixels by their reflection: on the left, at the top, on the right, at the bottom. */
function reflected(pixels, [left, top, right, bottom]) {
  if (left + top + right + bottom === 0) return pixels;
  const { channels } = pixels;
  const [width, height] = [pixels.width + left + right, pixels.height + top + bottom];
  const source = (at, length) => {
    const place = ((at % (2 * length)) + 2 * length) % (2 * length);
    return place < length ? place : 2 * length - 1 - place;
  };
  const columns = Array.from({ length: width }, (_, x) => source(x - left, pixels.width) * channels);
  const data = new Uint8ClampedArray(width * height * channels);
  for (let y = 0, to = 0; y < height; y++) {
    const row = source(y - top, pixels.height) * pixels.width * channels;
    for (const column of columns) {
      for (let channel = 0; channel < channels; channel++) data[to++] = pixels.data[row + column + channel];
    }
  }
  return new Pixels(data, width, height, channels);
}

/** Reads a square by bilinear interpolation; what lies beyond the pixels gets the fill. Fractions are cut off. */
function transformed({ data, width, height, channels }, [a, b, c, d, e, f], side, fill) {
  const result = new Uint8ClampedArray(side * side * channels);
  for (let row = 0, to = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const x = a * (column + 0.5) + b * (row + 0.5) + c;
      const y = d * (column + 0.5) + e * (row + 0.5) + f;
      if (!(x >= 0 && x < width && y >= 0 && y < height)) {
        for (let channel = 0; channel < channels; channel++) result[to++] = fill[channel];
        continue;
      }
      const [left, top] = [Math.floor(x - 0.5), Math.floor(y - 0.5)];
      const [right, down] = [x - 0.5 - left, y - 0.5 - top];
      const [near, far] = [Math.max(0, left) * channels, Math.min(width - 1, left + 1) * channels];
      const upper = Math.max(0, top) * width * channels;
      const lower = Math.min(height - 1, top + 1) * width * channels;
      for (let channel = 0; channel < channels; channel++) {
        const above = data[upper + near + channel] + (data[upper + far + channel] - data[upper + near + channel]) * right;
        const below = data[lower + near + channel] + (data[lower + far + channel] - data[lower + near + channel]) * right;
        result[to++] = Math.floor(above + (below - above) * down);
      }
    }
  }
  return result;
}

/** Averages blocks of 2 x 2 of a square of twice the size. */
function halved(data, size, channels) {
  const stride = 2 * size * channels;
  const result = new Uint8ClampedArray(size * size * channels);
  for (let y = 0, to = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      for (let channel = 0; channel < channels; channel++) {
        const at = 2 * y * stride + 2 * x * channels + channel;
        result[to++] = (data[at] + data[at + channels] + data[at + stride] + data[at + stride + channels] + 2) >> 2;
      }
    }
  }
  return result;
}

/** Blurs what lies beyond the picture: fully from a 32nd of the side on, and less towards the picture's edge. */
function blurredBeyond(square, region, picture, size) {
  const { channels } = picture;
  const radius = Math.max(1, Math.floor(size / BLUR));
  let blurred = square;
  for (let times = 0; times < 2; times++) {
    blurred = blurredAlong(blurred, size, channels, radius, channels, size * channels);
    blurred = blurredAlong(blurred, size, channels, radius, size * channels, channels);
  }
  const within = distances(region, picture, size);
  return square.map((value, at) => {
    const weight = limited(-within[Math.floor(at / channels)] / radius, 0, 1);
    const opacity = Math.floor(255 * weight + 0.5);
    const mixed = value * (255 - opacity) + blurred[at] * opacity + 128;
    return ((mixed >> 8) + mixed) >> 8;
  });
}

/** Averages 2 radius + 1 pixels along the lines of a square; beyond its edges, its last pixel repeats. */
function blurredAlong(data, size, channels, radius, step, stride) {
  const result = new Uint8ClampedArray(data.length);
  const count = 2 * radius + 1;
  for (let line = 0; line < size; line++) {
    for (let channel = 0; channel < channels; channel++) {
      const start = line * stride + channel;
      const value = (at) => data[start + limited(at, 0, size - 1) * step];
      let sum = 0;
      for (let at = -radius; at <= radius; at++) sum += value(at);
      for (let at = 0; at < size; at++) {
        result[start + at * step] = Math.floor(sum / count + 0.5);
        sum += value(at + radius + 1) - value(at - radius);
      }
    }
  }
  return result;
}

/** RGBA with its colours multiplied by their opacity, so that means do not mix in those of transparent pixels. */
function weighted(bytes, channels) {
  if (channels !== 4) return bytes;
  return bytes.map((value, at) => (at % 4 === 3 ? value : Math.round((value * bytes[at - (at % 4) + 3]) / 255)));
}

function unweighted(bytes, channels) {
  if (channels !== 4) return bytes;
  return bytes.map((value, at) => {
    const alpha = bytes[at - (at % 4) + 3];
    return at % 4 === 3 || alpha === 0 ? value : Math.floor((255 * value) / alpha);
  });
}
