/* The sources of pictures: dropped, pasted, chosen, or taken with the camera. */

const dialog = document.getElementById("viewfinder");

/** Calls `take` with the files that the user adds. @param {(files: File[]) => void} take */
export function listenForPictures(take) {
  const zone = document.getElementById("sources");
  for (const kind of ["dragenter", "dragover"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
  }
  document.addEventListener("dragleave", (event) => event.relatedTarget || zone.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    take([...event.dataTransfer.files]);
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) take([...event.clipboardData.files]);
  });
  const [files, capture] = ["files", "capture"].map((id) => document.getElementById(id));
  for (const input of [files, capture]) {
    input.addEventListener("change", () => {
      take([...input.files]);
      input.value = ""; // so that the same picture may be chosen again
    });
  }
  document.getElementById("choose").addEventListener("click", () => files.click());
  document.getElementById("camera").addEventListener("click", async () => {
    // Without a secure connection a page gets no live picture, but it may open the camera program of a telephone.
    if (!navigator.mediaDevices) return capture.click();
    const stream = await navigator.mediaDevices.getUserMedia({ video: true }).catch(() => null);
    if (!stream) return capture.click();
    const file = await photograph(stream);
    return file && take([file]);
  });
}

/** Shows the camera's picture in a dialog. Returns the picture that the user takes, or null if the user cancels. */
async function photograph(stream) {
  const video = dialog.querySelector("video");
  video.srcObject = stream;
  dialog.showModal();
  const click = (event) => event.target.value && dialog.close(event.target.value);
  dialog.addEventListener("click", click);
  dialog.returnValue = "";
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  dialog.removeEventListener("click", click);
  const canvas = Object.assign(document.createElement("canvas"), {
    width: video.videoWidth,
    height: video.videoHeight,
  });
  const taken = dialog.returnValue === "take" && canvas.width > 0;
  if (taken) canvas.getContext("2d").drawImage(video, 0, 0);
  for (const track of stream.getTracks()) track.stop();
  video.srcObject = null;
  if (!taken) return null;
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  return new File([blob], "camera.png", { type: "image/png" });
}
