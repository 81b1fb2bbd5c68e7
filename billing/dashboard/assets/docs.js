// The API's description, shown by Swagger UI. It calls with the key that is typed there and never with the session:
// who looks at it while signed in changes nothing by a click.

globalThis.SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
  requestInterceptor: (request) => Object.assign(request, { credentials: "omit" }),
});
