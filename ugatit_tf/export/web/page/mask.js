/* Finds which pixels of a square show a person, and lays them over a plain background: the computations of
   `data/faces/mask.py`. */
import { colourOf, distances } from "./regions.js";
import { resample } from "./resample.js";

export const KEEP = "keep"; // a background that stays as it is
export const SIDE = 256; // pixels of the network's input
const RADIUS = 4; // pixels of 256: the windows of the guided filter have nine pixels on a side
const EPSILON = 0.002; // of brightness from 0 to 1: a window of less variance is flat, and its mask is smoothed
const [LOW, HIGH] = [0.15, 0.85]; // what is less or more is no person or all person
const CELLS = 64; // on a side: the cells in which the parts of a mask are told apart
const PART = 0.25; // a cell with a larger mean belongs to a part
const SHARE_OF_LARGEST = 0.25; // smaller parts are other people, or none
const LEAST_PERSON = 0.02; // of the square: with less, nothing in it is a person
const BRIGHTNESS = [0.299, 0.587, 0.114];

/**
 * Returns how much of each pixel is a person, 0 to 1, [size, size].
 * @param {Uint8ClampedArray} pixels [size, size, channels]
 * @param {number} channels 1, 3 or 4
 * @param {number} size at least 256
 * @param {(floats: Float32Array) => Promise<Float32Array[]>} network maps [1, 256, 256, 3] in [0, 1] to the share of
 *   person, [1, 256, 256, 1]
 */
export async function personMask(pixels, channels, size, network) {
  const rgb = onWhite(pixels, channels);
  const small = resample(rgb, size, size, 3, SIDE, SIDE);
  const [output] = await network(Float32Array.from(small, (value) => value / 255));
  const coarse = mainParts(output.map((value) => Math.min(Math.max(value, 0), 1)));
  return guided(coarse, brightnessOf(small), brightnessOf(rgb), size);
}

/** A mask without what lies beyond the picture: that is no person. */
export function withinPicture(mask, region, picture, size) {
  if (!region.exact) return mask;
  const inside = distances(region, picture, size);
  return mask.map((value, at) => value * Math.min(Math.max(inside[at] + 0.5, 0), 1));
}

export function showsPerson(mask) {
  return mask.reduce((sum, value) => sum + value, 0) / mask.length >= LEAST_PERSON;
}

/** Lays the person in a square over a background of one colour, "white" or "#rrggbb". */
export function onGround(pixels, channels, mask, colour) {
  const ground = colourOf(colour, channels);
  return pixels.map((value, at) => {
    const share = mask[Math.floor(at / channels)];
    return Math.floor(value * share + ground[at % channels] * (1 - share) + 0.5);
  });
}

/** Removes the parts of a mask that are small beside the largest: a hand or a head at the edge of the square. */
export function mainParts(coarse) {
  const cell = SIDE / CELLS;
  const isPart = Array.from({ length: CELLS * CELLS }, (_, place) => {
    const [left, top] = [(place % CELLS) * cell, Math.floor(place / CELLS) * cell];
    let sum = 0;
    for (let y = top; y < top + cell; y++) for (let x = left; x < left + cell; x++) sum += coarse[y * SIDE + x];
    return sum / (cell * cell) > PART;
  });
  const parts = [];
  const seen = new Set();
  isPart.forEach((belongs, place) => {
    if (!belongs || seen.has(place)) return;
    const part = [place];
    seen.add(place);
    for (const member of part) {
      for (const near of neighbours(member)) {
        if (isPart[near] && !seen.has(near)) {
          seen.add(near);
          part.push(near);
        }
      }
    }
    parts.push(part);
  });
  const largest = Math.max(0, ...parts.map((part) => part.length));
  const kept = new Float32Array(CELLS * CELLS);
  for (const part of parts) {
    if (part.length < SHARE_OF_LARGEST * largest) continue;
    for (const member of part) for (const near of neighbours(member)) kept[near] = 1;
  }
  const shares = resample(kept, CELLS, CELLS, 1, SIDE, SIDE);
  return coarse.map((value, at) => value * shares[at]);
}

/** A cell and its neighbours. */
function neighbours(place) {
  const [column, row] = [place % CELLS, Math.floor(place / CELLS)];
  const found = [];
  for (let y = Math.max(0, row - 1); y <= Math.min(CELLS - 1, row + 1); y++) {
    for (let x = Math.max(0, column - 1); x <= Math.min(CELLS - 1, column + 1); x++) found.push(y * CELLS + x);
  }
  return found;
}

/** Moves the edges of a mask of 256 pixels to those of a picture: of its brightness at 256 pixels, and at its size. */
function guided(coarse, small, large, size) {
  const mean = boxMean(small);
  const meanMask = boxMean(coarse);
  const meanSquare = boxMean(small.map((value) => value * value));
  const meanProduct = boxMean(small.map((value, at) => value * coarse[at]));
  const slope = mean.map(
    (value, at) => (meanProduct[at] - value * meanMask[at]) / (meanSquare[at] - value * value + EPSILON),
  );
  const offset = meanMask.map((value, at) => value - slope[at] * mean[at]);
  const [slopes, offsets] = [slope, offset].map((values) => resample(boxMean(values), SIDE, SIDE, 1, size, size));
  return large.map((value, at) => Math.min(Math.max((slopes[at] * value + offsets[at] - LOW) / (HIGH - LOW), 0), 1));
}

/** The mean of the window around each pixel, without what lies beyond the edge. */
function boxMean(values) {
  const along = (from, step, stride) => {
    const result = new Float64Array(from.length);
    const sums = new Float64Array(SIDE + 1);
    for (let line = 0; line < SIDE; line++) {
      for (let at = 0; at < SIDE; at++) sums[at + 1] = sums[at] + from[line * stride + at * step];
      for (let at = 0; at < SIDE; at++) {
        const [first, last] = [Math.max(at - RADIUS, 0), Math.min(at + RADIUS + 1, SIDE)];
        result[line * stride + at * step] = (sums[last] - sums[first]) / (last - first);
      }
    }
    return result;
  };
  return Float32Array.from(along(along(values, SIDE, 1), 1, SIDE));
}

function brightnessOf(rgb) {
  const result = new Float32Array(rgb.length / 3);
  for (let at = 0; at < result.length; at++) {
    result[at] = BRIGHTNESS.reduce((sum, factor, channel) => sum + (factor * rgb[at * 3 + channel]) / 255, 0);
  }
  return result;
}

/** Pixels of 1, 3 or 4 channels as RGB; transparent ones are laid over white. */
function onWhite(pixels, channels) {
  if (channels === 3) return pixels;
  const rgb = new Uint8ClampedArray((pixels.length / channels) * 3);
  for (let at = 0; at < rgb.length; at++) {
    const place = Math.floor(at / 3) * channels;
    const alpha = channels === 4 ? pixels[place + 3] : 255;
    rgb[at] = (pixels[place + (channels === 4 ? at % 3 : 0)] * alpha + 255 * (255 - alpha)) / 255;
  }
  return rgb;
}
