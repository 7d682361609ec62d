/* Runs the networks off the page's thread. No module: LiteRT.js loads its own script by importScripts. */
"use strict";

const TOLERANCE = 2; // levels of 255 that WebGPU may differ from wasm by on 99% of the values
let library;
let backend;
const models = {};
const finders = {};

/** Loads the runtime: "webgpu", "threads" or "wasm". */
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

/** Gets a direction ready; throws where WebGPU does not take the network, or computes something else than wasm does. */
async function load({ direction, weights, bytes, size, channels }) {
  if (models[direction]) return;
  const data = await download(weights, "weights", bytes);
  const accelerator = backend === "webgpu" ? "webgpu" : "wasm";
  const compiled = await library.loadAndCompile(data, { accelerator });
  if (compiled.options.accelerator !== accelerator) throw new Error("WebGPU does not take this network");
  const model = { compiled, shape: [1, size, size, channels] };
  if (backend === "webgpu") await agree(model, data);
  models[direction] = model;
}

async function agree(model, data) {
  const pattern = Float32Array.from(
    { length: model.shape.reduce((one, other) => one * other) },
    (_, place) => Math.sin(place * 0.37) * Math.cos(place * 0.0021),
  );
  const here = await run(model, pattern);
  const compiled = await library.loadAndCompile(data, { accelerator: "wasm" });
  const there = await run({ ...model, compiled }, pattern);
  compiled.delete();
  const off = here.output.filter((value, place) => !(Math.abs(value - there.output[place]) * 127.5 <= TOLERANCE));
  if (off.length > 0.01 * pattern.length) throw new Error("WebGPU computes something else than wasm does");
}

/** Floats in [-1, 1] to all outputs of the network, by name. */
async function run({ compiled, shape }, floats) {
  const input = new library.Tensor(floats, shape);
  const tensors = await compiled.run({ images: input });
  input.delete();
  const outputs = {};
  for (const [name, tensor] of Object.entries(tensors)) {
    const here = await tensor.moveTo("wasm");
    outputs[name] = here.toTypedArray().slice();
    here.delete();
  }
  return outputs;
}

/** Pixels to their translation. */
async function translate({ direction, pixels }) {
  const begin = performance.now();
  const { output, heatmap } = await run(
    models[direction],
    Float32Array.from(pixels, (value) => value / 127.5 - 1),
  );
  const translated = Uint8ClampedArray.from(output, (value) => Math.round((value + 1) * 127.5));
  return { translated, heatmap, milliseconds: performance.now() - begin };
}

/** Gets the network ready that finds "faces" or "people", in squares of `side` pixels. */
async function prepare({ what, file, bytes, side }) {
  if (finders[what]) return;
  const data = await download(file, `network that finds ${what}`, bytes);
  const compiled = await library.loadAndCompile(data, { accelerator: "wasm" });
  finders[what] = { compiled, shape: [1, side, side, 3] };
}

/** Floats to all outputs of such a network. */
async function compute({ what, floats }) {
  const { compiled, shape } = finders[what];
  const input = new library.Tensor(floats, shape);
  const tensors = await compiled.run([input]);
  input.delete();
  return tensors.map((tensor) => {
    const output = tensor.toTypedArray().slice();
    tensor.delete();
    return output;
  });
}

/** Fetches a file, telling the page how far it is. */
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

const METHODS = { start, load, translate, prepare, compute };
let last = Promise.resolve(); // the runtime does one thing at a time

async function answer({ id, method, argument }) {
  try {
    self.postMessage({ id, result: await METHODS[method](argument) });
  } catch (error) {
    self.postMessage({ id, error: error.message || String(error) });
  }
}

self.addEventListener("message", ({ data }) => {
  last = last.then(() => answer(data));
});
