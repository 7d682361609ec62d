// For `make lint-page`: no package is imported here, so that npx needs no installation.
const known = (...names) => Object.fromEntries(names.map((name) => [name, "readonly"]));
const everywhere = known("Blob", "URL", "console", "fetch", "performance", "self");
const rules = Object.fromEntries(
  ["no-undef", "no-unused-vars", "no-var", "prefer-const", "eqeqeq", "no-shadow", "no-unreachable", "no-fallthrough"]
    .concat(["no-dupe-keys", "no-const-assign", "no-redeclare", "require-await", "no-implied-eval", "no-eval"])
    .map((rule) => [rule, "error"]),
);

export default [
  {
    rules,
    languageOptions: {
      globals: {
        ...everywhere,
        ...known("DragEvent", "File", "FileReader", "ImageData", "Option", "URLSearchParams", "Worker", "atob"),
        ...known("createImageBitmap"),
        ...known("crypto", "document", "location", "navigator", "setTimeout", "window"),
      },
    },
  },
  {
    files: ["**/templates/*.js"],
    languageOptions: { sourceType: "script", globals: known("document", "location", "setInterval") },
  },
  {
    files: ["**/worker.js", "**/service-worker.js"],
    languageOptions: { sourceType: "script", globals: known("Response", "caches") },
  },
];
