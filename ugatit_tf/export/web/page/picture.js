/* From a file to an upright picture, and from that to the squares that the network sees. */
import { aroundContent } from "./content.js";
import { KEEP, SIDE, onGround, showsPerson, withinPicture } from "./mask.js";
import { contextOf, fromRgba } from "./pixels.js";
import { sample } from "./regions.js";
import { resample } from "./resample.js";

const LARGEST = 4096; // side in pixels of a canvas that telephones allow
// "default" converts a colour profile to sRGB, as Python does.
const DECODING = { imageOrientation: "from-image", colorSpaceConversion: "default", premultiplyAlpha: "none" };

/** Decodes a file; an Error whose message is a sentence for people where that cannot be done. */
export async function decode(file) {
  try {
    return await createImageBitmap(file, DECODING);
  } catch {
    throw new Error(
      `${file.name} is not a picture that this browser can read: JPEG, PNG, WebP, GIF and BMP files are.`,
    );
  }
}

/** A bitmap as the picture of regions.js; transparent pixels are laid over white where it has no channel for them. */
export class Picture {
  constructor(bitmap, channels) {
    Object.assign(this, { bitmap, channels, width: bitmap.width, height: bitmap.height });
  }

  read(left, top, width, height) {
    const context = contextOf(width, height, this.channels !== 4);
    context.drawImage(this.bitmap, -left, -top);
    return fromRgba(context.getImageData(0, 0, width, height).data, this.channels);
  }

  /** The same picture without transparent pixels. */
  get opaque() {
    return this.channels === 4 ? new Picture(this.bitmap, 3) : this;
  }
}

/**
 * The region of a picture that is taken where no face was found, or none was looked for.
 * @param {{crop: string, content_share: number}} how as the run's pictures were cropped
 */
export function regionWithoutFace(picture, { crop, content_share: share }) {
  const { width, height } = picture;
  const content = crop === "content" && aroundContent(picture.opaque, share);
  if (content) return content;
  const place = { x: width / 2, y: height / 2, angle: 0, exact: false };
  if (crop === "squeeze") return { ...place, width, height };
  const side = crop === "none" ? Math.max(width, height) : Math.min(width, height);
  return { ...place, width: side, height: side };
}

/** A region that a user has moved, put back where it shows the picture: an exact one with its middle, others in whole. */
export function inside(region, picture) {
  const keep = (at, length, whole) => {
    if (region.exact) return Math.min(Math.max(at, 0), whole);
    return length > whole ? whole / 2 : Math.min(Math.max(at, length / 2), whole - length / 2);
  };
  return {
    ...region,
    x: keep(region.x, region.width, picture.width),
    y: keep(region.y, region.height, picture.height),
  };
}

/**
 * What the network sees of a region: pixels [size, size, channels], and whether they show a person.
 * @param {string} background "keep", "white" or "#rrggbb"; without a person it is kept
 * @param {(pixels: Uint8ClampedArray, size: number) => Promise<Float32Array>} mask
 */
export async function seen(picture, region, size, background, mask) {
  if (background === KEEP) return { pixels: cut(picture, region, size), isPerson: true };
  const side = Math.max(size, SIDE); // the mask of fewer pixels would be coarse
  const pixels = cut(picture, region, side);
  const person = withinPicture(await mask(pixels, side), region, picture, side);
  if (!showsPerson(person)) return { pixels: cut(picture, region, size), isPerson: false };
  const { channels } = picture;
  const laid = onGround(pixels, channels, person, background);
  return { pixels: resample(laid, side, side, channels, size, size), isPerson: true };
}

/** The region as pixels [size, size, channels]. */
export function cut(picture, region, size) {
  if (region.exact) return sample(picture, region, size);
  const { bitmap, channels } = picture;
  const [width, height] = [Math.max(1, Math.round(region.width)), Math.max(1, Math.round(region.height))];
  const scale = Math.min(1, LARGEST / Math.max(width, height));
  const [shownWidth, shownHeight] = [Math.ceil(width * scale), Math.ceil(height * scale)];
  const context = contextOf(shownWidth, shownHeight, channels !== 4);
  const [left, top] = [Math.round(region.x - width / 2), Math.round(region.y - height / 2)];
  context.drawImage(bitmap, -left * scale, -top * scale, bitmap.width * scale, bitmap.height * scale);
  const pixels = fromRgba(context.getImageData(0, 0, shownWidth, shownHeight).data, channels);
  return resample(pixels, shownWidth, shownHeight, channels, size, size);
}
