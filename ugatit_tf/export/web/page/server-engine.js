/* The networks in the program that serves the page. */
import { draw, shownBy } from "./pixels.js";

const DECODING = { colorSpaceConversion: "none", premultiplyAlpha: "none" };

/** @param {object} settings of the page */
export function open(settings) {
  const { size, channels } = settings;
  return {
    name: `on ${settings.device}`,
    translate: async (direction, pixels, checkpoint) => {
      const begin = performance.now();
      const [{ image_bytes: file, heatmap }] = await ask("translate", { direction, checkpoint }, png(pixels, size, channels), {
        signature_name: "attention",
      });
      const bitmap = await createImageBitmap(blobOf(file.b64), DECODING);
      const milliseconds = performance.now() - begin;
      return { translated: shownBy(bitmap, channels), heatmap: Float32Array.from(heatmap.flat()), milliseconds };
    },
    findSquares: async ({ file }, direction) => {
      const [{ squares }] = await ask("faces", { direction }, await urlOf(file));
      return squares;
    },
    mask: async (pixels, side, direction) => {
      const [{ b64 }] = await ask("mask", { direction }, png(pixels, side, channels));
      const bitmap = await createImageBitmap(blobOf(b64), DECODING);
      return Float32Array.from(shownBy(bitmap, 1), (value) => value / 255);
    },
  };
}

/** Sends a picture, and returns the predictions. */
async function ask(path, query, b64, message = {}) {
  const response = await fetch(`${path}?${new URLSearchParams(query)}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...message, instances: [{ image_bytes: { b64 } }] }),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer.predictions;
}

/** Pixels as a PNG file in base64. */
function png(pixels, side, channels) {
  const canvas = document.createElement("canvas");
  draw(canvas, pixels, side, channels);
  return canvas.toDataURL("image/png").split(",")[1];
}

/** A file as a data URL. */
function urlOf(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result));
    reader.addEventListener("error", () => reject(reader.error));
    reader.readAsDataURL(file);
  });
}

function blobOf(encoded) {
  return new Blob([Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0))], { type: "image/png" });
}
