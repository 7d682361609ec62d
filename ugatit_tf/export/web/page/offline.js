/* Keeps the page for the next time, with the network or without. */

const PATIENCE = 5000; // milliseconds

/**
 * Lets the service worker take the page over. On the first visit the page is loaded again, through the worker, which keeps
 * what passes, and sends the headers that allow threads.
 */
export async function keep() {
  const container = navigator.serviceWorker;
  if (!container || container.controller) return;
  const claimed = new Promise((resolve) => container.addEventListener("controllerchange", resolve, { once: true }));
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE));
  try {
    const { active } = await container.register("service-worker.js");
    if (active) return; // the user has asked for a page past all caches
    await Promise.race([claimed, late]);
  } catch (error) {
    console.warn(`not kept for use offline: ${error.message}`);
  }
  if (container.controller) {
    location.reload();
    await new Promise(() => {}); // until then
  }
}

/** Fetches what is wanted later, so that the service worker has it, and lets go of the weights of earlier exports. */
export async function fetchAhead(settings) {
  const { controller } = navigator.serviceWorker ?? {};
  if (!controller) return;
  const networks = Object.values(settings.networks).map(({ file }) => file);
  const weights = [...Object.values(settings.directions).map((direction) => direction.weights), ...networks];
  for (const url of weights) await fetch(url).then((response) => response.blob());
  controller.postMessage({ weights: weights.map((url) => new URL(url, location.href).href) });
}
