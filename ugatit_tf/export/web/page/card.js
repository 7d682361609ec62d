/* A card of the page: a photo with the square to translate, and the square beside its translation. */
import { cropEditor } from "./crop.js";
import { draw, overlay } from "./pixels.js";
import { cut, decode, firstRegion } from "./picture.js";

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

export class Card {
  /**
   * @param {File} file the file of the picture
   * @param {{changed: (card: Card) => void, removed: (card: Card) => void}} listeners called when the user has moved
   * the square, and when the user has removed the card
   */
  constructor(file, { changed, removed }) {
    this.file = file;
    this.changed = () => changed(this);
    this.state = element("p", { className: "note" });
    this.photo = element("div");
    this.input = element("canvas", { role: "img", ariaLabel: "The square" });
    this.result = element("canvas", { className: "result", role: "img", ariaLabel: "Its translation" });
    const slider = element("input", { type: "range", min: 0, max: 100, value: 50 });
    slider.ariaLabel = "Slider between the picture, on its left, and the translation";
    const compare = element("div", { className: "compare" }, this.input, this.result, slider);
    slider.addEventListener("input", () => compare.style.setProperty("--split", `${slider.value}%`));
    this.caption = element("figcaption", { className: "note" });
    const remove = element("button", { type: "button", textContent: "Remove" });
    remove.addEventListener("click", () => {
      this.element.remove();
      removed(this);
    });
    this.download = element("button", { type: "button", textContent: "Download PNG", disabled: true });
    this.download.addEventListener("click", () => this.#save());
    this.share = element("button", {
      type: "button",
      textContent: "Share",
      disabled: true,
      hidden: !navigator.canShare,
    });
    this.share.addEventListener("click", () => this.#share());
    const hint = element("figcaption", {
      className: "note",
      textContent: "Move or resize the square to choose what is translated.",
    });
    this.element = element(
      "article",
      {},
      element("div", { className: "title" }, element("h2", { textContent: file.name }), this.state),
      element(
        "div",
        { className: "pictures" },
        element("figure", {}, this.photo, hint),
        element("figure", {}, compare, this.caption),
      ),
      element("div", { className: "buttons" }, this.download, this.share, remove),
    );
    this.element.ariaLabel = file.name;
  }

  /** Shows the photo with its square. Until the user moves the square, it lies where the training cropped pictures. */
  async place(cropping) {
    if (this.moved) return;
    const bitmap = await decode(this.file);
    this.region = await firstRegion(bitmap, cropping);
    const editor = cropEditor(bitmap, this.region, this.file.name, (region) => {
      this.region = region;
      this.moved = true;
      this.changed();
    });
    bitmap.close();
    this.photo.replaceChildren(editor);
  }

  /** Translates the square by an engine's network of a direction and a checkpoint. */
  async translate(engine, direction, { size, channels }, checkpoint) {
    this.working("translating …");
    const bitmap = await decode(this.file); // not kept since `place`: large pictures would fill a telephone's memory
    const pixels = cut(bitmap, this.region, size, channels);
    bitmap.close();
    this.made = { direction, size, channels, pixels, ...(await engine.translate(direction, pixels, checkpoint)) };
    this.element.classList.remove("working");
    this.state.textContent = `${(this.made.milliseconds / 1000).toFixed(2)} s`;
    this.caption.textContent = `${direction[0]} | ${direction[2]}`;
    this.download.disabled = this.share.disabled = false;
  }

  /** Draws the square, with the heatmap over it if `heatmap` is true, and the translation. */
  show(heatmap) {
    if (!this.made) return;
    const { pixels, translated, size, channels } = this.made;
    if (heatmap) draw(this.input, overlay(pixels, size, channels, this.made.heatmap), size, 3);
    else draw(this.input, pixels, size, channels);
    draw(this.result, translated, size, channels);
  }

  failed() {
    this.element.classList.remove("working");
    this.state.textContent = "failed";
  }

  working(text) {
    this.element.classList.add("working");
    this.state.textContent = text;
  }

  async #png() {
    const canvas = document.createElement("canvas");
    draw(canvas, this.made.translated, this.made.size, this.made.channels);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    const stem = this.file.name.replace(/\.[^.]*$/, "");
    return new File([blob], `${stem}-${this.made.direction}.png`, { type: "image/png" });
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
    return navigator.share({ files }).catch(() => {}); // the user has cancelled it
  }
}
