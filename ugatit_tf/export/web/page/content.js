/* Finds what is drawn on a plain background: the computation of `data/content.py`. */
import { reduced } from "./regions.js";

const SEARCHED = 256; // pixels: the longer side of the picture that is searched
const DIFFERENT = 24; // levels of red, green or blue by which content differs from the background
const LEAST_PART = 0.01; // of a row or column that must differ: a speck is no content

/**
 * Returns the square around the content of a picture, or null if nothing differs from the background.
 * @param {object} picture as in regions.js, of 1 or 3 channels
 * @param {number} share the longer side of the content as a share of the square's side
 */
export function aroundContent(picture, share) {
  const factor = Math.max(1, Math.floor(Math.max(picture.width, picture.height) / SEARCHED));
  const box = { left: 0, top: 0, right: picture.width, bottom: picture.height };
  const { data, width, height, channels } = reduced(picture, box, factor);
  const value = (x, y, channel) => data[(y * width + x) * channels + Math.min(channel, channels - 1)];
  const ground = [0, 1, 2].map((channel) => {
    const border = [];
    for (let x = 0; x < width; x++) border.push(value(x, 0, channel), value(x, height - 1, channel));
    for (let y = 0; y < height; y++) border.push(value(0, y, channel), value(width - 1, y, channel));
    return median(border);
  });
  const [rows, columns] = [new Uint32Array(height), new Uint32Array(width)];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (ground.some((level, channel) => Math.abs(value(x, y, channel) - level) > DIFFERENT)) {
        rows[y]++;
        columns[x]++;
      }
    }
  }
  const [top, bottom] = ends(rows, width);
  const [left, right] = ends(columns, height);
  if (top < 0 || left < 0) return null;
  const [low, high] = [top * factor, Math.min((bottom + 1) * factor, picture.height)];
  const [first, last] = [left * factor, Math.min((right + 1) * factor, picture.width)];
  const side = Math.max(high - low, last - first) / share;
  const beyond = `#${ground.map((level) => toEven(level).toString(16).padStart(2, "0")).join("")}`;
  return { x: (first + last) / 2, y: (low + high) / 2, width: side, height: side, angle: 0, beyond, exact: true };
}

/** The first and the last of the counts that are large enough; -1 and -1 if none is. */
function ends(counts, whole) {
  const enough = (count) => count / whole > LEAST_PART;
  return [counts.findIndex(enough), counts.findLastIndex(enough)];
}

function median(values) {
  const sorted = Uint8Array.from(values).sort();
  const half = sorted.length / 2;
  return (sorted[Math.ceil(half) - 1] + sorted[Math.floor(half)]) / 2;
}

/** Rounds as Python does: halves to the even number. */
function toEven(value) {
  return value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value);
}
