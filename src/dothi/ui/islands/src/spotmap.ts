// The map on which a citizen taps where something is: loaded only when somebody opens it.
import maplibre from "maplibre-gl/dist/maplibre-gl-csp";
import worker from "maplibre-gl/dist/maplibre-gl-csp-worker.js?url";
import "maplibre-gl/dist/maplibre-gl.css";
import { lay, load, repaint } from "./ground";

const NEAR = 16; // zoom at which single houses are told apart
const WARD = 14; // zoom at which a ward fills the box

type Point = [number, number];

/**
 * Draw the map in `box`; `choose` is told of every point and says whether it counts. It begins
 * at `view`, or with the whole city. Resolves with how to go somewhere.
 */
export async function draw(
  box: HTMLElement,
  [west, south, east, north]: [number, number, number, number],
  words: Record<string, string>,
  choose: (at: Point) => boolean,
  view: Point | null,
): Promise<(at: Point) => void> {
  maplibre.setWorkerUrl(worker);
  const map = new maplibre.Map({
    container: box,
    style: { version: 8, sources: {}, layers: [] },
    ...(view ? { center: view, zoom: WARD } : { bounds: [[west, south], [east, north]] as [Point, Point] }),
    maxBounds: [[west - 0.5, south - 0.5], [east + 0.5, north + 0.5]],
    minZoom: 8,
    maxZoom: 18,
    attributionControl: false,
    dragRotate: false,
    pitchWithRotate: false,
    touchPitch: false,
    fadeDuration: 0,
    locale: { "NavigationControl.ZoomIn": words["zoom_in"] ?? "", "NavigationControl.ZoomOut": words["zoom_out"] ?? "", "Map.Title": words["tap"] ?? "" },
  });
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();
  map.addControl(new maplibre.NavigationControl({ showCompass: false }), "top-right");
  const pin = new maplibre.Marker({ color: getComputedStyle(box).getPropertyValue("--severity-3").trim(), draggable: true });
  const put = (at: Point): void => {
    if (choose(at)) pin.setLngLat(at).addTo(map);
    else pin.remove();
  };
  map.on("click", ({ lngLat }) => put([lngLat.lng, lngLat.lat]));
  pin.on("dragend", () => put([pin.getLngLat().lng, pin.getLngLat().lat]));
  // By keyboard: arrows move the map, Enter takes its middle.
  map.getCanvas().addEventListener("keydown", ({ key }) => {
    if (key === "Enter") put([map.getCenter().lng, map.getCenter().lat]);
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => requestAnimationFrame(() => repaint(map)));
  await new Promise<void>((done) => map.once("load", () => done()));
  await document.fonts.load("400 16px 'Be Vietnam Pro'", "Hà Nội Đống");
  lay(map, 1);
  await load(map, () => undefined);
  return (at) => {
    map.jumpTo({ center: at, zoom: Math.max(map.getZoom(), NEAR) });
    put(at);
  };
}
