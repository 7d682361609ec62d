/* Runs the network in a thread beside the page's. It is no module: LiteRT.js loads its script by importScripts. */
"use strict";

const TOLERANCE = 2; // of 255 levels: 99% of WebGPU's values may differ by so much from wasm's
let library;
let backend;
const models = {};

/** Loads the runtime for a backend, "webgpu", "threads" or "wasm". Returns the number of threads. */
async function start({ runtime, wanted }) {
  backend = wanted;
  const base = new URL(`${runtime}/`, self.location.href).href;
  library = await import(`${base}index.js`);
  const threads = backend === "threads";
  const jspi = backend === "webgpu" && (await library.supportsFeature("jspi"));
  const simd = await library.supportsFeature("relaxedSimd");
  const name = `litert_wasm${simd ? (threads && "_threaded") || (jspi && "_jspi") || "" : "_compat"}_internal`;
  self.Module = {
    locateFile: (file) => base + file,
    mainScriptUrlOrBlob: `${base}${name}.js`,
    wasmBinary: await download(`${base}${name}.wasm`, "program"),
  };
  const loaded = await library.loadLiteRt(base, { threads, jspi });
  return threads ? loaded.liteRtWasm.getThreadCount() : 1;
}

/** Loads the network of a direction. Throws if WebGPU does not take it, or computes something else than wasm. */
async function load({ direction, weights, bytes, size, channels }) {
  if (models[direction]) return;
  const data = await download(weights, "weights", bytes);
  const accelerator = backend === "webgpu" ? "webgpu" : "wasm";
  const compiled = await library.loadAndCompile(data, { accelerator });
  if (compiled.options.accelerator !== accelerator) throw new Error("WebGPU does not take this network");
  const model = { compiled, shape: [1, size, size, channels] };
  if (backend === "webgpu") await compareWithWasm(model, data);
  models[direction] = model;
}

/** Throws if a network on WebGPU computes something else than on wasm. */
async function compareWithWasm(model, data) {
  const pattern = Float32Array.from(
    { length: model.shape.reduce((one, other) => one * other) },
    (_, place) => Math.sin(place * 0.37) * Math.cos(place * 0.0021),
  );
  const found = await run(model, pattern);
  const compiled = await library.loadAndCompile(data, { accelerator: "wasm" });
  const expected = await run({ ...model, compiled }, pattern);
  compiled.delete();
  const off = found.output.filter((value, place) => !(Math.abs(value - expected.output[place]) * 127.5 <= TOLERANCE));
  if (off.length > 0.01 * pattern.length) throw new Error("WebGPU computes something else than wasm");
}

/** Returns all outputs of the network by name, from floats in [-1, 1]. */
async function run({ compiled, shape }, floats) {
  const input = new library.Tensor(floats, shape);
  const tensors = await compiled.run({ images: input });
  input.delete();
  const outputs = {};
  for (const [name, tensor] of Object.entries(tensors)) {
    const moved = await tensor.moveTo("wasm");
    outputs[name] = moved.toTypedArray().slice();
    moved.delete();
  }
  return outputs;
}

/** Returns the translation of pixels, the heatmap and the time. */
async function translate({ direction, pixels }) {
  const begin = performance.now();
  const { output, heatmap } = await run(
    models[direction],
    Float32Array.from(pixels, (value) => value / 127.5 - 1),
  );
  const translated = Uint8ClampedArray.from(output, (value) => Math.round((value + 1) * 127.5));
  return { translated, heatmap, milliseconds: performance.now() - begin };
}

/** Fetches a file, and posts the progress to the page. */
async function download(url, what, total) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} cannot be loaded (${response.status})`);
  const whole = total ?? Number(response.headers.get("Content-Length"));
  const parts = [];
  let loaded = 0;
  for (const reader = response.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    loaded += value.length;
    self.postMessage({ progress: { what, loaded, whole } });
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

const METHODS = { start, load, translate };
self.addEventListener("message", async ({ data: { id, method, argument } }) => {
  try {
    self.postMessage({ id, result: await METHODS[method](argument) });
  } catch (error) {
    self.postMessage({ id, error: error.message || String(error) });
  }
});
