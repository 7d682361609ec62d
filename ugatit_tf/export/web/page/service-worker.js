/* Stores the files that the page loads. Weights and runtime never change under their names; other files are fetched
   again if there is a connection. */
"use strict";

const STORE = `page of ${self.registration.scope}`;
const FOREVER = /\/(weights|runtime)\//;
const HEADERS = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; " +
    "img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'",
};

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method === "GET" && request.url.startsWith(self.registration.scope)) event.respondWith(answer(event));
});
self.addEventListener("message", (event) => event.waitUntil(deleteOtherWeights(event.data.weights)));

async function answer(event) {
  const { request } = event;
  const store = await caches.open(STORE);
  const stored = () => store.match(request, { ignoreVary: true });
  if (FOREVER.test(request.url)) {
    const found = await stored();
    if (found) return found;
  }
  try {
    const response = await fetch(request, { cache: "no-cache" }); // asks whether the stored copy is still right
    if (response.status !== 200) return response;
    const made = new Response(response.body, { headers: { ...Object.fromEntries(response.headers), ...HEADERS } });
    event.waitUntil(store.put(request, made.clone()).catch(() => {})); // the disk is full: it is fetched the next time
    return made;
  } catch (error) {
    const found = await stored();
    if (found) return found;
    throw error;
  }
}

/** Deletes the weights that the page no longer uses. */
async function deleteOtherWeights(used) {
  const store = await caches.open(STORE);
  for (const request of await store.keys()) {
    if (request.url.includes("/weights/") && !used.includes(request.url)) await store.delete(request);
  }
}
