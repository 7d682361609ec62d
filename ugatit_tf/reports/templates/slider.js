// A slider selects the checkpoint of a run. All images of that run then show this checkpoint's translations.
document.addEventListener("input", ({ target }) => {
  if (!target.matches(".stage input")) return;
  const index = Number(target.value), names = JSON.parse(target.dataset.names);
  target.parentElement.querySelector("output").value = names[index];
  target.setAttribute("aria-valuetext", names[index]);
  for (const image of document.querySelectorAll(`img[data-run="${target.dataset.run}"]`)) {
    const source = JSON.parse(image.dataset.sources)[index];
    image.classList.toggle("missing", !source);
    if (source) image.src = image.parentElement.href = source;
  }
});
