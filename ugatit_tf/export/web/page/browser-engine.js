/* The networks in this browser, in a worker. The one that translates runs by WebGPU where that agrees with wasm, else on
   threads, else on one; those that find faces and people run by wasm. */
import { SIDE as FACE_SIDE, around, findFaces } from "./faces.js";
import { SIDE as MASK_SIDE, personMask } from "./mask.js";

class Backend {
  #worker = new Worker("worker.js");
  #calls = new Map();

  constructor(report) {
    this.#worker.addEventListener("message", ({ data }) => {
      if (data.progress) return report(data.progress);
      const { resolve, reject } = this.#calls.get(data.id);
      this.#calls.delete(data.id);
      return data.error === undefined ? resolve(data.result) : reject(new Error(data.error));
    });
    this.#worker.addEventListener("error", (event) => {
      for (const { reject } of this.#calls.values()) reject(new Error(event.message || "the worker has failed"));
      this.#calls.clear();
    });
  }

  call(method, argument) {
    const id = crypto.getRandomValues(new Uint32Array(1))[0];
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject });
      this.#worker.postMessage({ id, method, argument });
    });
  }

  end() {
    this.#worker.terminate();
  }
}

async function candidates() {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  return [...(adapter ? ["webgpu"] : []), ...(self.crossOriginIsolated ? ["threads"] : []), "wasm"];
}

/** A function that runs the network that finds "faces" or "people" in squares of `side` pixels, from floats to outputs. */
async function finder(backend, what, side, networks) {
  await backend.call("prepare", { what, side, ...networks[what] });
  return (floats) => backend.call("compute", { what, floats });
}

/**
 * Opens the networks. `findSquares` returns the regions of the faces in a picture, `mask` how much of each pixel is a person.
 * @param {object} settings of the page
 * @param {string} direction what is needed first
 * @param {(progress: {what: string, loaded: number, whole: number}) => void} report
 */
export async function open(settings, direction, report) {
  const { runtime, size, channels, directions, networks } = settings;
  let failure;
  for (const wanted of await candidates()) {
    const backend = new Backend(report);
    const load = (which) => backend.call("load", { direction: which, size, channels, ...directions[which] });
    try {
      const threads = await backend.call("start", { runtime, wanted });
      await load(direction);
      const name = wanted === "webgpu" ? "WebGPU" : `wasm on ${threads} ${threads === 1 ? "thread" : "threads"}`;
      return {
        name: `in this browser, by ${name}`,
        translate: async (which, pixels) => {
          await load(which);
          return backend.call("translate", { direction: which, pixels });
        },
        findSquares: async ({ picture }, which) => {
          const faces = await findFaces(picture, await finder(backend, "faces", FACE_SIDE, networks));
          return faces.map((face) => around(face, directions[which].face_margin));
        },
        mask: async (pixels, side) =>
          personMask(pixels, channels, side, await finder(backend, "people", MASK_SIDE, networks)),
      };
    } catch (error) {
      console.warn(`${wanted}: ${error.message}`);
      backend.end();
      failure = error;
    }
  }
  throw failure;
}
