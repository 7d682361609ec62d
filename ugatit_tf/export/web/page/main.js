/* The page: loads an engine by the settings, makes a card of each picture, and translates the cards one by one. */
import { Card } from "./card.js";
import { fetchAhead, startServiceWorker } from "./offline.js";
import { listenForPictures } from "./sources.js";

const byId = (id) => document.getElementById(id);
const ENGINES = {
  browser: {
    module: "./browser-engine.js",
    privacy: "Your pictures stay on this device: the network runs inside this page, and nothing is sent anywhere.",
  },
  server: {
    module: "./server-engine.js",
    privacy: "Your pictures go to the program that serves this page and to nowhere else; it keeps none of them.",
  },
};
const cards = new Set();
const waiting = new Set();
let settings;
let engine;
let busy = false;

const direction = () => document.querySelector("input[name=direction]:checked").value;
const showStatus = (text) => (byId("status").textContent = text);

function showProblem(text) {
  byId("problems").append(Object.assign(document.createElement("li"), { textContent: text }));
}

/** Adds a card for each file that is a picture, and an error message for each other one. */
async function addPictures(files) {
  byId("problems").replaceChildren();
  for (const file of files) {
    const card = new Card(file, { changed: request, removed: (gone) => cards.delete(gone) && waiting.delete(gone) });
    try {
      await card.place(settings.directions[direction()]);
    } catch (error) {
      showProblem(error.message);
      continue;
    }
    cards.add(card);
    byId("cards").prepend(card.element);
    request(card);
  }
}

function request(card) {
  card.working("waiting …");
  waiting.add(card);
  translateWaiting();
}

async function translateWaiting() {
  if (busy || !engine) return;
  busy = true;
  for (const card of waiting) {
    waiting.delete(card);
    showStatus(`Translating ${card.file.name} …`);
    try {
      await card.translate(engine, direction(), settings, byId("checkpoint").querySelector("select").value);
      card.show(byId("heatmap").checked);
      showStatus(`Translated ${card.file.name} ${engine.name} in ${card.state.textContent}.`);
    } catch (error) {
      card.failed();
      showProblem(`${card.file.name} could not be translated: ${error.message}`);
      showStatus("");
    }
  }
  busy = false;
}

/** Translates all pictures again after another direction or checkpoint was chosen. */
async function translateAll() {
  byId("problems").replaceChildren();
  for (const card of cards) {
    await card.place(settings.directions[direction()]);
    request(card);
  }
}

function showProgress({ what, loaded, whole }) {
  byId("loading").hidden = whole > 0 && loaded >= whole;
  const [bar] = byId("loading").getElementsByTagName("progress");
  bar.max = whole || loaded + 1;
  bar.value = loaded;
  const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
  byId("loading").querySelector("label").textContent =
    `Loading the ${what}: ${megabytes(loaded)}${whole ? ` of ${megabytes(whole)}` : ""} MB`;
}

function showSettings() {
  const title = `${settings.dataset}: A ⇄ B`;
  document.title = byId("title").textContent = title;
  byId("privacy").textContent = ENGINES[settings.engine].privacy;
  for (const [index, name] of Object.keys(settings.directions).entries()) {
    const radio = Object.assign(document.createElement("input"), { type: "radio", name: "direction", value: name });
    radio.checked = index === 0;
    const label = document.createElement("label");
    label.append(radio, ` ${name.replace("2", " → ")}`);
    byId("directions").append(label);
  }
  const choice = byId("checkpoint").querySelector("select");
  choice.append(...(settings.checkpoints ?? []).map((name) => new Option(name)));
  choice.value = settings.checkpoint;
  byId("checkpoint").hidden = choice.options.length < 2;
  byId("directions").addEventListener("change", translateAll);
  choice.addEventListener("change", translateAll);
  byId("heatmap").addEventListener("change", (event) => cards.forEach((card) => card.show(event.target.checked)));
  byId("unstarted").hidden = true;
  document.querySelector("main").hidden = false;
}

async function main() {
  settings = await (await fetch("settings.json")).json();
  if (settings.engine === "browser") await startServiceWorker();
  showSettings();
  listenForPictures(addPictures);
  showStatus("Loading the network …");
  try {
    const { open } = await import(ENGINES[settings.engine].module);
    engine = await open(settings, direction(), showProgress);
  } catch (error) {
    showProblem(`The network could not be loaded (${error.message}). Load the page again to try once more.`);
    return showStatus("");
  }
  showStatus(`Ready: ${settings.checkpoint} runs ${engine.name}.`);
  // If it fails, offline or with a full disk, the weights are loaded when they are needed.
  if (settings.engine === "browser") fetchAhead(settings).catch(() => {});
  return translateWaiting();
}

main().catch((error) => (byId("unstarted").textContent = `This page could not start: ${error.message}.`));
