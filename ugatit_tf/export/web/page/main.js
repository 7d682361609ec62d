/* The page: settings to an engine, pictures to cards, cards to the engine one after the other. */
import { Card } from "./card.js";
import { KEEP } from "./mask.js";
import { fetchAhead, startServiceWorker } from "./offline.js";
import { listenForPictures } from "./sources.js";

const part = (id) => document.getElementById(id);
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
const background = () => settings.directions[direction()].background;
const replaces = () => part("background").querySelector("input").checked;
const say = (text) => (part("status").textContent = text);

function complain(text) {
  part("problems").append(Object.assign(document.createElement("li"), { textContent: text }));
}

/** Takes files: a card for each that is a picture, a sentence for each other. */
async function take(files) {
  part("problems").replaceChildren();
  for (const file of files) {
    const card = new Card(file, { changed: request, removed: (gone) => cards.delete(gone) && waiting.delete(gone) });
    try {
      await card.open();
    } catch (error) {
      complain(error.message);
      continue;
    }
    cards.add(card);
    part("cards").prepend(card.element);
    request(card);
  }
}

function request(card) {
  card.working("waiting …");
  waiting.add(card);
  work();
}

async function work() {
  if (busy || !engine) return;
  busy = true;
  for (const card of waiting) {
    waiting.delete(card);
    say(`Translating ${card.file.name} …`);
    try {
      await card.translate(engine, direction(), settings, {
        checkpoint: part("checkpoint").querySelector("select").value,
        background: replaces() ? background() : KEEP,
        heatmap: part("heatmap").checked,
      });
      say(`Translated ${card.file.name} ${engine.name} in ${card.state.textContent}.`);
    } catch (error) {
      card.failed();
      complain(`${card.file.name} could not be translated: ${error.message}`);
      say("");
    }
  }
  busy = false;
}

/** Translates all pictures anew: in the other direction, by another checkpoint or with another background. */
function again(isCroppedAnew) {
  part("problems").replaceChildren();
  for (const card of cards) {
    card.renew(isCroppedAnew);
    request(card);
  }
}

/** Offers to replace the background where this direction's pictures had another one. */
function offerBackground() {
  part("background").hidden = background() === KEEP;
  part("background").querySelector("span").textContent = `Background in ${background()}`;
}

function progress({ what, loaded, whole }) {
  part("loading").hidden = whole > 0 && loaded >= whole;
  const [bar] = part("loading").getElementsByTagName("progress");
  bar.max = whole || loaded + 1;
  bar.value = loaded;
  const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
  part("loading").querySelector("label").textContent =
    `Loading the ${what}: ${megabytes(loaded)}${whole ? ` of ${megabytes(whole)}` : ""} MB`;
}

function fill() {
  const title = `${settings.dataset}: A ⇄ B`;
  document.title = part("title").textContent = title;
  part("privacy").textContent = ENGINES[settings.engine].privacy;
  for (const [index, name] of Object.keys(settings.directions).entries()) {
    const radio = Object.assign(document.createElement("input"), { type: "radio", name: "direction", value: name });
    radio.checked = index === 0;
    const label = document.createElement("label");
    label.append(radio, ` ${name.replace("2", " → ")}`);
    part("directions").append(label);
  }
  const choice = part("checkpoint").querySelector("select");
  choice.append(...(settings.checkpoints ?? []).map((name) => new Option(name)));
  choice.value = settings.checkpoint;
  part("checkpoint").hidden = choice.options.length < 2;
  offerBackground();
  part("directions").addEventListener("change", () => {
    offerBackground();
    again(true);
  });
  choice.addEventListener("change", () => again(false));
  part("background").addEventListener("change", () => again(false));
  part("heatmap").addEventListener("change", (event) => cards.forEach((card) => card.show(event.target.checked)));
  part("unstarted").hidden = true;
  document.querySelector("main").hidden = false;
}

async function main() {
  settings = await (await fetch("settings.json")).json();
  if (settings.engine === "browser") await startServiceWorker();
  fill();
  listenForPictures(take);
  say("Loading the network …");
  try {
    const { open } = await import(ENGINES[settings.engine].module);
    engine = await open(settings, direction(), progress);
  } catch (error) {
    complain(`The network could not be loaded (${error.message}). Load the page again to try once more.`);
    return say("");
  }
  say(`Ready: ${settings.checkpoint} runs ${engine.name}.`);
  if (settings.engine === "browser") fetchAhead(settings).catch(() => {}); // offline, or no room: then when it is wanted
  return work();
}

main().catch((error) => (part("unstarted").textContent = `This page could not start: ${error.message}.`));
