/* A photo with squares on it, which are moved and resized by pointer or keyboard. */
import { inside } from "./picture.js";
import { toPicture } from "./regions.js";

const STEP = 0.02; // of the picture, for a key
const SMALLEST = 16; // pixels
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const SHOWN = 720; // pixels of the longer side, of the photo on the page
const SHADE = "rgb(0 0 0 / 45%)"; // over what is in no square
const CORNERS = [
  [-1, -1],
  [1, -1],
  [1, 1],
  [-1, 1],
];

export class CropEditor {
  #squares = [];

  /**
   * @param {ImageBitmap} bitmap the photo; it may be closed afterwards
   * @param {string} name of the photo
   * @param {(square: object) => void} changed is told which square has another region when the user lets go of it
   */
  constructor(bitmap, name, changed) {
    this.changed = changed;
    this.whole = { width: bitmap.width, height: bitmap.height };
    const scale = Math.min(1, SHOWN / Math.max(bitmap.width, bitmap.height));
    const size = { width: Math.round(bitmap.width * scale) || 1, height: Math.round(bitmap.height * scale) || 1 };
    this.photo = Object.assign(document.createElement("canvas"), size);
    this.photo.getContext("2d").drawImage(bitmap, 0, 0, size.width, size.height);
    this.canvas = Object.assign(document.createElement("canvas"), { ...size, role: "img", ariaLabel: name });
    this.element = document.createElement("div");
    this.element.className = "photo";
    this.element.style.setProperty("--shape", bitmap.width / bitmap.height);
    this.show([]);
  }

  /** Shows squares, objects that have a `region`; the editor changes it. */
  show(squares) {
    this.#squares = squares;
    this.element.replaceChildren(this.canvas, ...squares.map((square, index) => this.#outline(square, index)));
    this.#draw();
  }

  /** Draws the photo, darker outside of the squares. */
  #draw() {
    const context = this.canvas.getContext("2d");
    const { width, height } = this.canvas;
    context.clearRect(0, 0, width, height);
    context.drawImage(this.photo, 0, 0);
    if (!this.#squares.length) return;
    context.fillStyle = SHADE;
    context.fillRect(0, 0, width, height);
    for (const { region } of this.#squares) {
      context.save();
      context.beginPath();
      for (const [across, down] of CORNERS) {
        const [x, y] = toPicture(region, (1 + across) / 2, (1 + down) / 2);
        context.lineTo((x * width) / this.whole.width, (y * height) / this.whole.height);
      }
      context.clip();
      context.drawImage(this.photo, 0, 0);
      context.restore();
    }
  }

  #outline(square, index) {
    const { whole } = this;
    const outline = document.createElement("div");
    outline.className = "square";
    outline.tabIndex = 0;
    outline.role = "group";
    outline.ariaRoleDescription = "crop square";
    const several = this.#squares.length > 1;
    const turned = Math.round(square.region.angle ?? 0);
    outline.ariaLabel =
      `${several ? `Square ${index + 1}` : "What is translated"}${turned ? `, turned by ${turned} degrees` : ""}. ` +
      "Arrow keys move the square, plus and minus resize it.";
    if (several) outline.append(Object.assign(document.createElement("b"), { textContent: index + 1 }));
    const handles = CORNERS.map(([across, down]) => {
      const handle = document.createElement("span");
      handle.className = `handle ${down < 0 ? "top" : "bottom"} ${across < 0 ? "left" : "right"}`;
      outline.append(handle);
      return handle;
    });
    const { width, height, exact } = square.region;
    const shape = height / width;
    const most = exact ? Math.max(whole.width, whole.height) : Math.min(whole.width, whole.height / shape);
    const widest = Math.max(width, most);

    const place = (next) => {
      const region = inside(next, whole);
      square.region = region;
      outline.style.left = `${(100 * (region.x - region.width / 2)) / whole.width}%`;
      outline.style.top = `${(100 * (region.y - region.height / 2)) / whole.height}%`;
      outline.style.width = `${(100 * region.width) / whole.width}%`;
      outline.style.height = `${(100 * region.height) / whole.height}%`;
      outline.style.transform = region.angle ? `rotate(${region.angle}deg)` : "";
    };
    const put = (next) => {
      place(next);
      this.#draw();
    };
    const resized = (wanted) => {
      const fitting = Math.min(Math.max(wanted, SMALLEST), widest);
      return { ...square.region, width: fitting, height: fitting * shape };
    };

    outline.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      outline.focus({ focusVisible: false });
      outline.setPointerCapture(event.pointerId);
      const start = square.region;
      const pixel = whole.width / this.canvas.clientWidth;
      const corner = CORNERS[handles.indexOf(event.target)];
      const radians = ((start.angle ?? 0) * Math.PI) / 180;
      const [sine, cosine] = [Math.sin(radians), Math.cos(radians)];
      const move = (now) => {
        const [right, down] = [(now.clientX - event.clientX) * pixel, (now.clientY - event.clientY) * pixel];
        if (!corner) return put({ ...start, x: start.x + right, y: start.y + down });
        // The opposite corner stays: the middle moves by half of what the square grows, along the square's own axes.
        const along = corner[0] * (right * cosine + down * sine);
        const below = (corner[1] * (down * cosine - right * sine)) / shape;
        const next = resized(start.width + Math.max(along, below));
        const u = (corner[0] * (next.width - start.width)) / 2;
        const v = (corner[1] * (next.height - start.height)) / 2;
        return put({ ...next, x: start.x + u * cosine - v * sine, y: start.y + u * sine + v * cosine });
      };
      outline.addEventListener("pointermove", move);
      outline.addEventListener(
        "lostpointercapture",
        () => {
          outline.removeEventListener("pointermove", move);
          if (square.region !== start) this.changed(square);
        },
        { once: true },
      );
    });
    outline.addEventListener("keydown", (event) => {
      const unit = STEP * Math.max(whole.width, whole.height);
      const { region } = square;
      if (event.key in KEYS) {
        const [right, down] = KEYS[event.key];
        put({ ...region, x: region.x + right * unit, y: region.y + down * unit });
      } else if (event.key === "+" || event.key === "=") put(resized(region.width + unit));
      else if (event.key === "-") put(resized(region.width - unit));
      else return;
      event.preventDefault();
      this.changed(square);
    });
    place(square.region);
    return outline;
  }
}
