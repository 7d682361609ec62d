/* Lets the browser keep the page, so that it opens again without a connection. */

const PATIENCE = 5000; // milliseconds to wait for the service worker

/**
 * Starts the service worker. The first visit then loads the page again through the worker, which stores the files and
 * sends the headers that allow threads.
 */
export async function startServiceWorker() {
  const container = navigator.serviceWorker;
  if (!container || container.controller) return;
  const claimed = new Promise((resolve) => container.addEventListener("controllerchange", resolve, { once: true }));
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE));
  try {
    const { active } = await container.register("service-worker.js");
    if (active) return; // the user has loaded the page past all caches
    await Promise.race([claimed, late]);
  } catch (error) {
    console.warn(`not kept for use offline: ${error.message}`);
  }
  if (container.controller) {
    location.reload();
    await new Promise(() => {}); // never ends, as the page is about to be replaced
  }
}

/** Fetches all weights, so that the service worker stores them, and lets it delete the weights of earlier exports. */
export async function fetchAhead(settings) {
  const { controller } = navigator.serviceWorker ?? {};
  if (!controller) return;
  const networks = Object.values(settings.networks).map(({ file }) => file);
  const weights = [...Object.values(settings.directions).map((direction) => direction.weights), ...networks];
  for (const url of weights) await fetch(url).then((response) => response.blob());
  controller.postMessage({ weights: weights.map((url) => new URL(url, location.href).href) });
}
