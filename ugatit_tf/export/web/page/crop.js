/* A photo with a square that the user moves and resizes by pointer or keyboard. */
import { inside } from "./picture.js";

const STEP = 0.02; // the share of the picture by which a key moves the square
const SMALLEST = 16; // the least width of the square in pixels
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const SHOWN = 720; // the most pixels of the photo's longer side on the page

/**
 * @param {ImageBitmap} bitmap the photo; the caller may close it afterwards
 * @param {object} region the first place of the square; the ratio of its sides stays
 * @param {string} name the name of the photo
 * @param {(region: object) => void} changed receives the new place after the user has moved the square
 */
export function cropEditor(bitmap, region, name, changed) {
  const photo = document.createElement("div");
  photo.className = "photo";
  photo.style.setProperty("--shape", bitmap.width / bitmap.height);
  const canvas = document.createElement("canvas");
  const scale = Math.min(1, SHOWN / Math.max(bitmap.width, bitmap.height));
  canvas.width = Math.round(bitmap.width * scale);
  canvas.height = Math.round(bitmap.height * scale);
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  Object.assign(canvas, { role: "img", ariaLabel: name });
  const square = document.createElement("div");
  square.className = "square";
  square.tabIndex = 0;
  square.role = "group";
  square.ariaRoleDescription = "crop square";
  square.ariaLabel = "What is translated. Arrow keys move the square, plus and minus resize it.";
  const handle = document.createElement("span");
  handle.className = "handle";
  square.append(handle);
  photo.append(canvas, square);

  const whole = { width: bitmap.width, height: bitmap.height };
  const shape = region.height / region.width;
  const widest = Math.max(region.width, Math.min(whole.width, whole.height / shape));

  function place(next) {
    region = inside(next, whole);
    square.style.left = `${(100 * (region.x - region.width / 2)) / whole.width}%`;
    square.style.top = `${(100 * (region.y - region.height / 2)) / whole.height}%`;
    square.style.width = `${(100 * region.width) / whole.width}%`;
    square.style.height = `${(100 * region.height) / whole.height}%`;
  }

  /** Returns the region with another width, as far as the photo allows. */
  function resized(width) {
    const fitting = Math.min(Math.max(width, SMALLEST), widest);
    return { ...region, width: fitting, height: fitting * shape };
  }

  square.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    square.focus({ focusVisible: false });
    square.setPointerCapture(event.pointerId);
    const start = region;
    const pixel = whole.width / canvas.clientWidth;
    const resizing = event.target === handle;
    const move = (now) => {
      const [right, down] = [(now.clientX - event.clientX) * pixel, (now.clientY - event.clientY) * pixel];
      if (!resizing) return place({ ...start, x: start.x + right, y: start.y + down });
      const next = resized(start.width + Math.max(right, down / shape));
      const [x, y] = [start.x + (next.width - start.width) / 2, start.y + (next.height - start.height) / 2];
      return place({ ...next, x, y });
    };
    square.addEventListener("pointermove", move);
    square.addEventListener(
      "lostpointercapture",
      () => {
        square.removeEventListener("pointermove", move);
        if (region !== start) changed(region);
      },
      { once: true },
    );
  });
  square.addEventListener("keydown", (event) => {
    const unit = STEP * Math.max(whole.width, whole.height);
    if (event.key in KEYS) {
      const [right, down] = KEYS[event.key];
      place({ ...region, x: region.x + right * unit, y: region.y + down * unit });
    } else if (event.key === "+" || event.key === "=") place(resized(region.width + unit));
    else if (event.key === "-") place(resized(region.width - unit));
    else return;
    event.preventDefault();
    changed(region);
  });
  place(region);
  return photo;
}
