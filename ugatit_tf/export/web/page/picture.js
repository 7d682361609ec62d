/* Decodes a file to an upright picture, and cuts out the square that the network sees. */
import { contextOf, fromRgba } from "./pixels.js";
import { resample } from "./resample.js";

const LARGEST = 4096; // the largest side in pixels of a canvas that telephones allow
// "default" converts a colour profile to sRGB, as Python does.
const DECODING = { imageOrientation: "from-image", colorSpaceConversion: "default", premultiplyAlpha: "none" };

/** Decodes a file. Throws an Error with a sentence for users if the file is no picture. */
export async function decode(file) {
  try {
    return await createImageBitmap(file, DECODING);
  } catch {
    throw new Error(
      `${file.name} is not a picture that this browser can read: JPEG, PNG, WebP, GIF and BMP files are.`,
    );
  }
}

/**
 * Returns the region {x, y, width, height} of a picture that the training would crop; x and y are its middle.
 * @param {{crop: string, face_margin: number}} cropping how the training cropped pictures
 */
export async function firstRegion(bitmap, { crop, face_margin: margin }) {
  const { width, height } = bitmap;
  const middle = { x: width / 2, y: height / 2 };
  const side = Math.min(width, height);
  if (crop === "squeeze") return { ...middle, width, height };
  if (crop === "none") return { ...middle, width: Math.max(width, height), height: Math.max(width, height) };
  const face = crop === "face" && (await largestFace(bitmap));
  if (!face) return { ...middle, width: side, height: side };
  const size = Math.min(side, Math.max(face.width, face.height) * (1 + 2 * margin));
  return inside({ x: face.x + face.width / 2, y: face.y + face.height / 2, width: size, height: size }, bitmap);
}

/** Returns the box of the largest face; undefined if there is none, or the browser has no detector, as most. */
async function largestFace(bitmap) {
  try {
    const faces = await new window.FaceDetector().detect(bitmap);
    const boxes = faces.map((face) => face.boundingBox).sort((one, other) => other.width - one.width);
    return boxes[0];
  } catch {
    return undefined;
  }
}

/** Returns a region moved into the picture. A region that is longer than a side of the picture is centred there. */
export function inside(region, picture) {
  const keep = (at, length, whole) =>
    length > whole ? whole / 2 : Math.min(Math.max(at, length / 2), whole - length / 2);
  return {
    ...region,
    x: keep(region.x, region.width, picture.width),
    y: keep(region.y, region.height, picture.height),
  };
}

/** Returns a region as pixels [size, size, channels], white beyond the picture. */
export function cut(bitmap, region, size, channels) {
  const [width, height] = [Math.max(1, Math.round(region.width)), Math.max(1, Math.round(region.height))];
  const scale = Math.min(1, LARGEST / Math.max(width, height));
  const [shownWidth, shownHeight] = [Math.ceil(width * scale), Math.ceil(height * scale)];
  const context = contextOf(shownWidth, shownHeight, channels !== 4);
  const [left, top] = [Math.round(region.x - width / 2), Math.round(region.y - height / 2)];
  context.drawImage(bitmap, -left * scale, -top * scale, bitmap.width * scale, bitmap.height * scale);
  const pixels = fromRgba(context.getImageData(0, 0, shownWidth, shownHeight).data, channels);
  return resample(pixels, shownWidth, shownHeight, channels, size, size);
}
