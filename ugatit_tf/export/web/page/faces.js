/* Finds faces by BlazeFace, and puts squares around them: the computations of `data/faces/detection.py` and
   `alignment.py`. */
import { REFLECTION, reduced, sample, toPicture } from "./regions.js";

export const SIDE = 128; // pixels of the network's input
const GRIDS = [
  [16, 2],
  [8, 6],
]; // cells on a side, and anchors in a cell
const LEAST_SCORE = 0.5; // of a find in a tile
const LEAST_CONFIRMED = 0.78; // of the same find in its own square
const OVERLAP = 0.3; // boxes that share more of their union show one face
const INSIDE = 0.6; // a box that lies with more of its area in a larger, likelier one shows a part of that face
const LEVELS = 3; // the whole picture, tiles of half its longer side, tiles of a quarter
const SEARCHED = 512; // pixels: a picture is searched with its longer side reduced to this or a bit more
const SMALLEST_TILE = 96; // pixels: smaller tiles show nothing that larger ones do not
const LOOKS = 2; // how often a find is looked at again
const VIEW_MARGIN = 0.5; // of the square in which it is looked at
const LARGEST_LOGIT = 80;
const BLACK = "#000000";

const [EYES_X, EYES_Y] = [0.5, 0.47]; // the place of the eyes' middle in a square, as shares of its sides
const EYES = 0.4; // the eyes' distance as a share of the side without a margin
const FRONTAL = 0.9; // the eyes' distance in frontal faces, as a multiple of the distance of eyes and mouth
const TURNED = 0.6; // below this multiple the head is turned so far that its eyes tell no tilt
const STEEPEST = 60; // degrees: detections that are tilted more were wrong

/**
 * Returns all faces of a picture, the largest first: {leftEye, rightEye, mouth, x, y, size, score}, in its pixels.
 * @param {object} picture as in regions.js, of 1 or 3 channels
 * @param {(floats: Float32Array) => Promise<Float32Array[]>} network maps [1, 128, 128, 3] in [-1, 1] to numbers
 *   [1, 896, 16] and logits [1, 896, 1], in any order
 */
export async function findFaces(picture, network) {
  const { width, height } = picture;
  const factor = Math.max(1, Math.floor(Math.max(width, height) / SEARCHED));
  const small = reduced(picture, { left: 0, top: 0, right: width, bottom: height }, factor);
  const found = [];
  for (const tile of tiles(small.width, small.height)) {
    for (const face of await search(small, tile, network)) found.push(scaled(face, factor));
  }
  const confirmed = [];
  for (const face of merged(found)) {
    const seen = await lookedAt(picture, face, network);
    if (seen) confirmed.push(seen);
  }
  return merged(confirmed).sort((one, other) => other.size - one.size);
}

/** The square around a face, turned as the face is. */
export function around(face, margin) {
  const { distance, angle } = measured(face);
  const side = (distance * (1 + 2 * margin)) / EYES;
  const [u, v] = [(0.5 - EYES_X) * side, (0.5 - EYES_Y) * side];
  const radians = (angle * Math.PI) / 180;
  const [sine, cosine] = [Math.sin(radians), Math.cos(radians)];
  const [x, y] = middle(face.leftEye, face.rightEye);
  const [left, top] = [x + u * cosine - v * sine, y + u * sine + v * cosine];
  return { x: left, y: top, width: side, height: side, angle, beyond: REFLECTION, exact: true };
}

/** The eyes' distance, in a head that is turned away the one from the front; and the tilt, 0 if it is implausible. */
function measured({ leftEye, rightEye, mouth }) {
  const apart = length(leftEye, rightEye);
  const down = length(middle(leftEye, rightEye), mouth);
  if (apart < TURNED * down) return { distance: FRONTAL * down, angle: 0 };
  const angle = (Math.atan2(rightEye[1] - leftEye[1], rightEye[0] - leftEye[0]) * 180) / Math.PI;
  return { distance: apart, angle: Math.abs(angle) <= STEEPEST ? angle : 0 };
}

const middle = ([x, y], [u, v]) => [(x + u) / 2, (y + v) / 2];
const length = ([x, y], [u, v]) => Math.hypot(u - x, v - y);

/** The squares to search: the whole picture, then tiles that overlap by at least a half. */
export function tiles(width, height) {
  const found = [];
  for (let level = 0; level < LEVELS; level++) {
    const side = Math.max(width, height) / 2 ** level;
    if (level && side < SMALLEST_TILE) break;
    for (const y of middles(height, side)) {
      for (const x of middles(width, side)) found.push(upright(x, y, side));
    }
  }
  return found;
}

function upright(x, y, side) {
  return { x, y, width: side, height: side, angle: 0, beyond: BLACK, exact: true };
}

/** The middles of the fewest tiles that cover a side from end to end, and overlap by a half or more. */
function middles(whole, side) {
  if (whole <= side) return [whole / 2];
  const count = Math.ceil((whole - side) / (side / 2)) + 1;
  return Array.from({ length: count }, (_, index) => side / 2 + ((whole - side) * index) / (count - 1));
}

/** The faces in a square region, in the picture's pixels. */
async function search(picture, region, network) {
  const pixels = sample(picture, region, SIDE);
  const { channels } = picture;
  const floats = new Float32Array(SIDE * SIDE * 3);
  for (let at = 0; at < floats.length; at++) {
    floats[at] = pixels[channels === 1 ? Math.floor(at / 3) : at] / 127.5 - 1;
  }
  const outputs = await network(floats);
  const [numbers, logits] = [...outputs].sort((one, other) => other.length - one.length);
  return suppressed(decoded(numbers, logits)).map(({ score, place }) => {
    const at = (start) => toPicture(region, place[start], place[start + 1]);
    const [x, y] = at(0);
    const size = Math.max(place[2], place[3]) * region.width;
    return { leftEye: at(4), rightEye: at(6), mouth: at(10), x, y, size, score };
  });
}

/** Measures a find again in its own square; gives null if that shows no face. */
async function lookedAt(picture, first, network) {
  let face = first;
  for (let look = 0; look < LOOKS; look++) {
    const view = { ...around(face, VIEW_MARGIN), beyond: BLACK };
    let best = null;
    for (const found of await search(picture, view, network)) {
      if (overlap(found, face) > OVERLAP && (!best || found.score > best.score)) best = found;
    }
    if (!best) return null;
    face = best;
  }
  return face.score >= LEAST_CONFIRMED ? face : null;
}

/** The outputs of the network that are faces: scores and 16 numbers as shares of the input's side. */
export function decoded(numbers, logits) {
  const found = [];
  let anchor = 0;
  for (const [cells, each] of GRIDS) {
    for (let cell = 0; cell < cells * cells; cell++) {
      const [x, y] = [((cell % cells) + 0.5) / cells, (Math.floor(cell / cells) + 0.5) / cells];
      for (let one = 0; one < each; one++, anchor++) {
        const score = 1 / (1 + Math.exp(-Math.min(Math.max(logits[anchor], -LARGEST_LOGIT), LARGEST_LOGIT)));
        if (score < LEAST_SCORE) continue;
        const place = Array.from(numbers.subarray(anchor * 16, anchor * 16 + 16), (value, at) => {
          const from = at % 2 ? y : x;
          return value / SIDE + (at === 2 || at === 3 ? 0 : from);
        });
        found.push({ score, place });
      }
    }
  }
  return found;
}

/** Joins detections of the same face: their mean weighted by the scores, with the best score. */
export function suppressed(detections) {
  let left = [...detections].sort((one, other) => other.score - one.score);
  const found = [];
  while (left.length) {
    const [best] = left;
    const same = left.filter((each) => unionShare(each.place, best.place) > OVERLAP);
    const sum = same.reduce((total, { score }) => total + score, 0);
    const place = best.place.map((_, at) =>
      same.reduce((total, each) => total + (each.score / sum) * each.place[at], 0),
    );
    found.push({ score: best.score, place: same.length ? place : best.place });
    left = left.filter((each) => each !== best && !same.includes(each));
  }
  return found;
}

/** Each face once, of those that several tiles show in whole or in part; the likeliest first. */
function merged(faces) {
  const kept = [];
  for (const face of [...faces].sort((one, other) => other.score - one.score)) {
    if (!kept.some((other) => overlap(face, other) > OVERLAP || shareInside(face, other) > INSIDE)) kept.push(face);
  }
  return kept;
}

const box = ({ x, y, size }) => [x, y, size, size];
const overlap = (one, other) => unionShare(box(one), box(other));
const shareInside = (one, other) => common(box(one), box(other)) / Math.min(one.size, other.size) ** 2;

/** The area that two boxes share, each given by its middle and size. */
function common(one, other) {
  const along = (axis) => {
    const low = Math.max(one[axis] - one[axis + 2] / 2, other[axis] - other[axis + 2] / 2);
    const high = Math.min(one[axis] + one[axis + 2] / 2, other[axis] + other[axis + 2] / 2);
    return Math.max(0, high - low);
  };
  return along(0) * along(1);
}

function unionShare(one, other) {
  const shared = common(one, other);
  const union = one[2] * one[3] + other[2] * other[3] - shared;
  return union > 0 ? shared / union : 0;
}

/** A face of a picture that was reduced by a factor, in pixels of the whole picture. */
function scaled(face, factor) {
  const [leftEye, rightEye, mouth] = [face.leftEye, face.rightEye, face.mouth].map((point) =>
    point.map((value) => value * factor),
  );
  const [x, y, size] = [face.x, face.y, face.size].map((value) => value * factor);
  return { leftEye, rightEye, mouth, x, y, size, score: face.score };
}
