/* Runs the network in a worker of this browser: by WebGPU if its results agree with wasm, else by wasm on several
   threads, else on one. */

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

/** Returns the backends that this browser may have, the fastest first. */
async function candidates() {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  return [...(adapter ? ["webgpu"] : []), ...(self.crossOriginIsolated ? ["threads"] : []), "wasm"];
}

/**
 * Returns an engine on the fastest backend that works.
 * @param {object} settings the settings of the page
 * @param {string} direction the direction whose network is loaded now; the other one is loaded when it is needed
 * @param {(progress: {what: string, loaded: number, whole: number}) => void} report receives the progress of downloads
 */
export async function open(settings, direction, report) {
  const { runtime, size, channels, directions } = settings;
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
      };
    } catch (error) {
      console.warn(`${wanted}: ${error.message}`);
      backend.end();
      failure = error;
    }
  }
  throw failure;
}
