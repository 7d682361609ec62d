/* One square of a picture: where it lies, and what the network sees beside its translation. */
import { draw, overlay } from "./pixels.js";

/** Makes an element with properties and children. */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function button(text, clicked, properties = {}) {
  const made = element("button", { type: "button", textContent: text, ...properties });
  made.addEventListener("click", clicked);
  return made;
}

export class Square {
  isStale = true; // whether it has to be translated anew

  /**
   * @param {object} region of the picture, as in regions.js
   * @param {string} stem of the picture's name
   * @param {(square: Square) => void} removed is called when the user takes the square away
   */
  constructor(region, stem, removed) {
    Object.assign(this, { region, stem });
    this.input = element("canvas", { role: "img", ariaLabel: "The square" });
    this.result = element("canvas", { className: "result", role: "img", ariaLabel: "Its translation" });
    const slider = element("input", { type: "range", min: 0, max: 100, value: 50 });
    slider.ariaLabel = "Slider between the picture, on its left, and the translation";
    const compare = element("div", { className: "compare" }, this.input, this.result, slider);
    slider.addEventListener("input", () => compare.style.setProperty("--split", `${slider.value}%`));
    this.caption = element("figcaption", { className: "note" });
    this.download = button("Download PNG", () => this.#save(), { disabled: true });
    this.share = button("Share", () => this.#share(), { disabled: true, hidden: !navigator.canShare });
    this.remove = button("", () => removed(this));
    const buttons = element("div", { className: "buttons" }, this.download, this.share, this.remove);
    this.element = element("figure", {}, compare, this.caption, buttons);
    this.number(1, 1);
  }

  /** Tells the square which one it is, from 1 on, of how many. */
  number(index, count) {
    this.index = count > 1 ? index : 0;
    this.remove.hidden = count < 2;
    this.remove.textContent = `Remove square ${index}`;
    this.#describe();
  }

  /**
   * Takes a translation.
   * @param {{direction: string, size: number, channels: number, pixels: Uint8ClampedArray, isPerson: boolean,
   *   translated: Uint8ClampedArray, heatmap: Float32Array}} made
   * @param {boolean} heatmap whether it is shown
   */
  take(made, heatmap) {
    this.made = made;
    this.download.disabled = this.share.disabled = false;
    this.#describe();
    this.show(heatmap);
  }

  /** Draws what there is, with the heatmap over the picture where it is asked for. */
  show(heatmap) {
    if (!this.made) return;
    const { pixels, translated, size, channels } = this.made;
    if (heatmap) draw(this.input, overlay(pixels, size, channels, this.made.heatmap), size, 3);
    else draw(this.input, pixels, size, channels);
    draw(this.result, translated, size, channels);
  }

  #describe() {
    if (!this.made) return;
    const { direction, isPerson } = this.made;
    const number = this.index ? `${this.index}: ` : "";
    const kept = isPerson ? "" : ". No person was found here, so the background stays.";
    this.caption.textContent = `${number}${direction[0]} | ${direction[2]}${kept}`;
  }

  async #png() {
    const canvas = document.createElement("canvas");
    draw(canvas, this.made.translated, this.made.size, this.made.channels);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    const number = this.index ? `-${this.index}` : "";
    return new File([blob], `${this.stem}-${this.made.direction}${number}.png`, { type: "image/png" });
  }

  async #save() {
    const file = await this.#png();
    const link = element("a", { href: URL.createObjectURL(file), download: file.name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  async #share() {
    const files = [await this.#png()];
    if (!navigator.canShare({ files })) return this.#save();
    return navigator.share({ files }).catch(() => {}); // the user has thought better of it
  }
}
