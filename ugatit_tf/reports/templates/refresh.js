// Reload the page of a run that goes on. A reader who looks at earlier stages, or moves by the keyboard, keeps the place.
const { seconds } = document.currentScript.dataset;
setInterval(() => {
  const scrolled = [...document.querySelectorAll(".columns")].some((columns) => columns.scrollLeft);
  if (!scrolled && !document.querySelector(":focus-visible")) location.reload();
}, seconds * 1000);
