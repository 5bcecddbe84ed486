// The map of published reports: near ones are one circle with their number; who taps one is given links below the map.
import maplibre, { type GeoJSONSource, type Map as GlMap } from "maplibre-gl/dist/maplibre-gl-csp";
import worker from "maplibre-gl/dist/maplibre-gl-csp-worker.js?url";
import "maplibre-gl/dist/maplibre-gl.css";
import { lay, load, repaint } from "./ground";
import { part } from "./list";

const REACH = 22; // pixels around a tap
const MOST = 12; // links at a time
type Point = [number, number];

export async function draw(root: HTMLElement): Promise<void> {
  const box = part(root, "box");
  const data = (await (await fetch(root.dataset["source"]!)).json()) as GeoJSON.FeatureCollection<GeoJSON.Point>;
  const places = data.features.map(({ geometry }) => geometry.coordinates as Point);
  const [west, south, east, north] = (root.dataset["bounds"] ?? "").split(",").map(Number) as [number, number, number, number];
  const bounds = new maplibre.LngLatBounds();
  for (const place of places) bounds.extend(place);
  maplibre.setWorkerUrl(worker);
  const map = new maplibre.Map({
    container: box,
    style: { version: 8, sources: {}, layers: [] },
    bounds: places.length ? bounds : [[west, south], [east, north]],
    fitBoundsOptions: { padding: 40, maxZoom: 15 },
    maxBounds: [[west - 0.5, south - 0.5], [east + 0.5, north + 0.5]],
    minZoom: 8,
    maxZoom: 17,
    attributionControl: false,
    dragRotate: false,
    pitchWithRotate: false,
    touchPitch: false,
    fadeDuration: 0,
    cooperativeGestures: false,
    locale: { "NavigationControl.ZoomIn": root.dataset["in"] ?? "", "NavigationControl.ZoomOut": root.dataset["out"] ?? "", "Map.Title": root.dataset["title"] ?? "" },
  });
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();
  map.addControl(new maplibre.NavigationControl({ showCompass: false }), "top-right");
  await new Promise<void>((done) => map.once("load", () => done()));
  await document.fonts.load("600 13px 'Be Vietnam Pro'", "0123456789");
  lay(map, 1);
  put(map, data);
  map.on("click", ({ point }) => void show(root, map, point));
  // By keyboard: arrows move the map, Enter asks for what is in its middle.
  map.getCanvas().addEventListener("keydown", ({ key }) => {
    if (key === "Enter") void show(root, map, map.project(map.getCenter()));
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => requestAnimationFrame(() => {
    repaint(map);
    paint(map);
  }));
  part(root, "thanks").textContent = await load(map, () => undefined);
}

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function put(map: GlMap, data: GeoJSON.FeatureCollection): void {
  map.addSource("reports", { type: "geojson", data, cluster: true, clusterRadius: 36, clusterMaxZoom: 16, clusterProperties: { open: ["+", ["case", ["get", "done"], 0, 1]] } });
  map.addLayer({
    id: "report", type: "circle", source: "reports",
    paint: { "circle-radius": ["case", ["has", "point_count"], 15, 8], "circle-stroke-width": 2 },
  });
  map.addLayer({
    id: "report-count", type: "symbol", source: "reports", filter: ["has", "point_count"],
    layout: { "text-field": ["get", "point_count_abbreviated"], "text-font": ["Be Vietnam Pro SemiBold"], "text-size": 13, "text-allow-overlap": true },
  });
  paint(map);
}

/** The page's colours: what anybody still works on, what was answered. */
function paint(map: GlMap): void {
  const open = colour("severity-2-text");
  const work = ["case", ["has", "point_count"], ["case", [">", ["get", "open"], 0], open, colour("jade")], ["get", "done"], colour("jade"), open];
  map.setPaintProperty("report", "circle-color", work);
  map.setPaintProperty("report", "circle-stroke-color", colour("card"));
  map.setPaintProperty("report-count", "text-color", colour("card"));
}

/** Links to the reports around a point; a circle of many that lie apart is looked at more closely instead. */
async function show(root: HTMLElement, map: GlMap, at: { x: number; y: number }): Promise<void> {
  const around: [Point, Point] = [[at.x - REACH, at.y - REACH], [at.x + REACH, at.y + REACH]];
  const found = map.queryRenderedFeatures(around, { layers: ["report"] });
  const source = map.getSource("reports") as GeoJSONSource;
  const reports: GeoJSON.Feature[] = [];
  for (const one of found) {
    const cluster = one.properties["cluster_id"] as number | undefined;
    if (cluster === undefined) reports.push(one);
    else reports.push(...(await source.getClusterLeaves(cluster, MOST, 0)));
  }
  const closer = found.length === 1 && found[0]!.properties["cluster_id"] !== undefined && map.getZoom() < 16;
  if (closer) map.easeTo({ center: (found[0]!.geometry as GeoJSON.Point).coordinates as Point, zoom: map.getZoom() + 2 });
  part(root, "near").replaceChildren(
    ...reports.slice(0, MOST).map(({ properties }) => {
      const item = document.createElement("li");
      item.append(Object.assign(document.createElement("a"), { href: `/reports/${properties!["code"]}`, textContent: properties!["title"] as string }));
      return item;
    }),
  );
}
