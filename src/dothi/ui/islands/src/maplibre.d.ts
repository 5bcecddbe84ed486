// The build of MapLibre that needs no inline worker has the types of the ordinary one.
declare module "maplibre-gl/dist/maplibre-gl-csp" {
  export * from "maplibre-gl";
  import * as maplibre from "maplibre-gl";
  export default maplibre;
}
