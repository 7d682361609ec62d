/* One picture on the page: the photo with its squares, and the translation of each. */
import { CropEditor } from "./crop.js";
import { Picture, decode, regionWithoutFace, seen } from "./picture.js";
import { REFLECTION } from "./regions.js";
import { Square, element } from "./square.js";

const HINT = "Move or resize a square to choose what is translated.";
const IN_THE_MIDDLE = "so the square is in the middle";
const ADDED = 0.4; // of the picture's shorter side: a square that the user adds to none of its kind

export class Card {
  squares = null; // those of the faces are not found yet

  /**
   * @param {File} file of the picture
   * @param {(card: Card) => void} changed is called when the user has moved, added or taken away a square
   * @param {(card: Card) => void} removed is called when the user takes the card away
   */
  constructor(file, { changed, removed }) {
    this.file = file;
    this.changed = () => {
      this.moved = true;
      changed(this);
    };
    this.state = element("p", { className: "note" });
    this.photo = element("div");
    this.hint = element("figcaption", { className: "note" });
    this.add = element("button", { type: "button", textContent: "Add a square", disabled: true });
    this.add.addEventListener("click", () => this.#add());
    const remove = element("button", { type: "button", textContent: "Remove picture" });
    remove.addEventListener("click", () => {
      this.element.remove();
      removed(this);
    });
    this.pictures = element("div", { className: "pictures" }, element("figure", {}, this.photo, this.hint));
    this.element = element(
      "article",
      {},
      element("div", { className: "title" }, element("h2", { textContent: file.name }), this.state),
      this.pictures,
      element("div", { className: "buttons" }, this.add, remove),
    );
    this.element.ariaLabel = file.name;
  }

  /** Shows the photo; an Error whose message is a sentence for people where it cannot be decoded. */
  async open() {
    const bitmap = await decode(this.file);
    this.editor = new CropEditor(bitmap, this.file.name, (square) => {
      square.isStale = true;
      this.changed();
    });
    bitmap.close();
    this.photo.replaceChildren(this.editor.element);
  }

  /** Lets all be translated anew; squares that the user has not moved are placed anew where the crop differs. */
  renew(isCroppedAnew) {
    if (isCroppedAnew && !this.moved) this.squares = null;
    for (const square of this.squares ?? []) square.isStale = true;
  }

  /**
   * Finds the squares, and translates those that are new or were moved.
   * @param {object} engine as `open` of an engine returns it
   * @param {string} direction
   * @param {object} settings of the page
   * @param {{checkpoint: string, background: string, heatmap: boolean}} options
   * @returns {Promise<number>} milliseconds of the network
   */
  async translate(engine, direction, settings, { checkpoint, background, heatmap }) {
    const { size, channels } = settings;
    const bitmap = await decode(this.file); // again: large pictures would fill a telephone's memory
    const mask = (pixels, side) => engine.mask(pixels, side, direction);
    const jobs = [];
    try {
      const picture = new Picture(bitmap, channels);
      if (!this.squares) await this.#find(engine, picture, direction, settings.directions[direction]);
      this.working("translating …");
      for (const square of this.squares) {
        if (!square.isStale) continue;
        square.isStale = false;
        jobs.push({ square, ...(await seen(picture, square.region, size, background, mask)) });
      }
    } finally {
      bitmap.close();
    }
    let milliseconds = 0;
    for (const { square, pixels, isPerson } of jobs) {
      const made = await engine.translate(direction, pixels, checkpoint);
      milliseconds += made.milliseconds;
      square.take({ direction, size, channels, pixels, isPerson, ...made }, heatmap);
    }
    this.element.classList.remove("working");
    this.state.textContent = `${(milliseconds / 1000).toFixed(2)} s`;
    return milliseconds;
  }

  show(heatmap) {
    for (const square of this.squares ?? []) square.show(heatmap);
  }

  failed() {
    this.element.classList.remove("working");
    this.state.textContent = "failed";
    for (const square of this.squares ?? []) square.isStale = true;
  }

  working(text) {
    this.element.classList.add("working");
    this.state.textContent = text;
  }

  async #find(engine, picture, direction, how) {
    let regions = [];
    let problem = "";
    if (how.crop === "face") {
      this.working("looking for faces …");
      try {
        regions = await engine.findSquares({ file: this.file, picture: picture.opaque }, direction);
        if (!regions.length) problem = `No face was found, ${IN_THE_MIDDLE}. `;
      } catch (error) {
        problem = `Faces could not be looked for (${error.message}), ${IN_THE_MIDDLE}. `;
      }
    }
    this.hint.textContent = `${problem}${HINT}`;
    if (!regions.length) regions = [regionWithoutFace(picture, how)];
    this.squares = regions.map((region) => this.#square(region));
    this.#arrange();
  }

  #square(region) {
    const stem = this.file.name.replace(/\.[^.]*$/, "");
    return new Square(region, stem, (square) => {
      this.squares = this.squares.filter((other) => other !== square);
      this.#arrange();
      this.moved = true;
    });
  }

  /** Adds a square in the middle, as large as the last one. */
  #add() {
    const { width, height } = this.editor.whole;
    const last = this.squares.at(-1).region;
    const side = last.exact ? last.width : ADDED * Math.min(width, height);
    const place = { x: width / 2, y: height / 2, width: side, height: side, angle: 0 };
    this.squares.push(this.#square({ ...place, beyond: last.exact ? last.beyond : REFLECTION, exact: true }));
    this.#arrange();
    this.editor.element.lastChild.focus();
    this.changed();
  }

  #arrange() {
    this.squares.forEach((square, index) => square.number(index + 1, this.squares.length));
    this.editor.show(this.squares);
    this.pictures.replaceChildren(this.pictures.firstChild, ...this.squares.map((square) => square.element));
    this.add.disabled = false;
  }
}
