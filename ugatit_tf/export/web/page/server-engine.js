/* Runs the network in the program that serves the page. */
import { draw, shownBy } from "./pixels.js";

/** Returns the engine. @param {object} settings the settings of the page */
export function open(settings) {
  const { size, channels } = settings;
  return {
    name: `on ${settings.device}`,
    translate: async (direction, pixels, checkpoint) => {
      const begin = performance.now();
      const canvas = document.createElement("canvas");
      draw(canvas, pixels, size, channels);
      const query = new URLSearchParams({ direction, checkpoint });
      const response = await fetch(`translate?${query}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ signature_name: "attention", instances: [{ image_bytes: { b64: base64(canvas) } }] }),
      });
      const answer = await response.json();
      if (!response.ok) throw new Error(answer.error);
      const [{ image_bytes: file, heatmap }] = answer.predictions;
      const bitmap = await createImageBitmap(blobOf(file.b64), {
        colorSpaceConversion: "none",
        premultiplyAlpha: "none",
      });
      const milliseconds = performance.now() - begin;
      return { translated: shownBy(bitmap, channels), heatmap: Float32Array.from(heatmap.flat()), milliseconds };
    },
  };
}

function base64(canvas) {
  return canvas.toDataURL("image/png").split(",")[1];
}

function blobOf(encoded) {
  return new Blob([Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0))], { type: "image/png" });
}
