// Starts the API documentation without an inline script: the page names its OpenAPI file in #swagger's data-openapi.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();
const place = document.getElementById("swagger");
window.SwaggerUIBundle({ url: place.dataset.openapi, domNode: place, deepLinking: true, defaultModelsExpandDepth: 0 });
