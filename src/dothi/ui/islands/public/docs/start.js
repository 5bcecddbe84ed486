// Starts the API documentation without an inline script: the page names its OpenAPI file in #swagger's data-openapi.
const place = document.getElementById("swagger");
window.SwaggerUIBundle({ url: place.dataset.openapi, domNode: place, deepLinking: true, defaultModelsExpandDepth: 0 });
