// The map's ground: our own style over our own GeoJSON, in the colours of the page, light or dark.
import type { ExpressionSpecification, GeoJSONSource, LayerSpecification, Map as GlMap } from "maplibre-gl";

type Feature = GeoJSON.Feature<GeoJSON.Geometry, { code?: string; name?: string }>;

const GROUND = ["wards", "water", "roads-minor", "roads-main"] as const;
const REGULAR = ["Be Vietnam Pro"];
const STRONG = ["Be Vietnam Pro SemiBold"];
const ROOMS = [["small", 44], ["large", 72]] as const;
const EMPTY: GeoJSON.FeatureCollection = { type: "FeatureCollection", features: [] };

/** The page's colour of that name, as the map needs it. */
function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

const wider = (...stops: number[]): ExpressionSpecification => ["interpolate", ["exponential", 1.5], ["zoom"], ...stops] as ExpressionSpecification;

function layers(scale = 1): LayerSpecification[] {
  const line = { "line-cap": "round", "line-join": "round" } as const;
  return [
    { id: "land", type: "background", paint: { "background-color": token("map-land") } },
    { id: "ward", type: "fill", source: "wards", paint: { "fill-color": token("map-ward") } },
    { id: "water", type: "fill", source: "water", filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": token("map-water") } },
    { id: "stream", type: "line", source: "water", filter: ["==", ["geometry-type"], "LineString"], paint: { "line-color": token("map-water"), "line-width": wider(9, 0.6, 14, 4) } },
    { id: "area", type: "fill", source: "wards", paint: { "fill-color": ["coalesce", ["feature-state", "colour"], "rgba(0,0,0,0)"], "fill-opacity": (dark() ? 0.11 : 0.13) * Math.sqrt(scale) } },
    { id: "minor", type: "line", source: "roads-minor", minzoom: 12, layout: line, paint: { "line-color": token("map-minor"), "line-width": wider(12, 0.4, 16, 4) } },
    { id: "main", type: "line", source: "roads-main", layout: line, paint: { "line-color": token("map-main"), "line-width": wider(9, 0.5, 12, 1.4, 16, 9) } },
    { id: "edge", type: "line", source: "wards", paint: { "line-color": token("map-edge"), "line-width": wider(9, 0.6, 14, 1.6) } },
    { id: "ward-chosen", type: "line", source: "wards", filter: ["==", ["get", "code"], ""], paint: { "line-color": token("jade"), "line-width": 2.5 } },
    {
      id: "road-name", type: "symbol", source: "roads-main", minzoom: 13.5,
      layout: { "symbol-placement": "line", "text-field": ["coalesce", ["get", "name"], ""], "text-font": REGULAR, "text-size": 11 * scale, "symbol-spacing": 320 },
      paint: { "text-color": token("second"), "text-halo-color": token("map-land"), "text-halo-width": 1.4 },
    },
    {
      id: "ward-name", type: "symbol", source: "ward-centres", minzoom: 10.5,
      layout: { "text-field": ["get", "name"], "text-font": STRONG, "text-size": wider(10, 10 * scale, 14, 13 * scale), "text-max-width": 7, "text-padding": 4, "text-variable-anchor": ["center", "top", "bottom", "left", "right"], "text-radial-offset": 1.1 },
      paint: { "text-color": token("third"), "text-halo-color": token("map-ward"), "text-halo-width": 1.4 },
    },
    // Invisible, as large as the markers and above the names: names step aside for them.
    {
      id: "marker-room", type: "symbol", source: "marker-room",
      layout: { "icon-image": ["concat", "room-", ["get", "size"]], "icon-allow-overlap": true, "icon-padding": 2 },
    },
  ];
}

function dark(): boolean {
  return getComputedStyle(document.documentElement).colorScheme === "dark";
}

/** Add the sources, still empty, and the layers above them. */
export function lay(map: GlMap, scale: number): void {
  map.addSource("wards", { type: "geojson", data: EMPTY, promoteId: "code" });
  for (const [size, narrow] of ROOMS) {
    const [width, height] = [Math.round(narrow * scale), Math.round(24 * scale)];
    map.addImage(`room-${size}`, { width, height, data: new Uint8Array(width * height * 4) });
  }
  for (const name of [...GROUND.slice(1), "ward-centres", "marker-room"]) map.addSource(name, { type: "geojson", data: EMPTY, tolerance: 0.4 });
  for (const layer of layers(scale)) map.addLayer(layer);
}

/** Tell the names where markers stand: [longitude, latitude, whether it is a group]. */
export function keepRoom(map: GlMap, places: [number, number, boolean][]): void {
  const features = places.map(([longitude, latitude, group]): GeoJSON.Feature => ({
    type: "Feature",
    geometry: { type: "Point", coordinates: [longitude, latitude] },
    properties: { size: group ? "large" : "small" },
  }));
  (map.getSource("marker-room") as GeoJSONSource | undefined)?.setData({ type: "FeatureCollection", features });
}

/** Take the page's colours again, after it turned light or dark. */
export function repaint(map: GlMap): void {
  for (const layer of layers()) {
    for (const [name, value] of Object.entries(layer.paint ?? {})) map.setPaintProperty(layer.id, name, value);
  }
}

/** Fetch one ground layer, waiting while the city still prepares it. */
async function fetchGround(name: string, preparing: () => void): Promise<unknown> {
  for (;;) {
    const answer = await fetch(`/map/base/${name}.json`);
    if (answer.ok) return await answer.json();
    if (answer.status !== 503) throw new Error(`${name}: ${answer.status}`);
    preparing();
    const wait = Number(answer.headers.get("retry-after") ?? 2);
    await new Promise((done) => setTimeout(done, wait * 1000));
  }
}

/** Load every ground layer, wards first; resolves with whom to thank. */
export async function load(map: GlMap, preparing: () => void): Promise<string> {
  const wards = (await fetchGround("wards", preparing)) as GeoJSON.FeatureCollection;
  source(map, "wards").setData(wards);
  const centres = wards.features.map((one) => centre(one as Feature)).filter((one) => one !== null);
  source(map, "ward-centres").setData({ type: "FeatureCollection", features: centres });
  await Promise.all(
    GROUND.slice(1).map(async (name) => source(map, name).setData((await fetchGround(name, preparing)) as GeoJSON.FeatureCollection)),
  );
  const about = (await fetchGround("about", preparing)) as { attribution: string };
  return about.attribution;
}

function source(map: GlMap, name: string): GeoJSONSource {
  return map.getSource(name) as GeoJSONSource;
}

/** The area centre of the largest ring, where the ward's name stands once. */
function centre(ward: Feature): GeoJSON.Feature | null {
  const { geometry, properties } = ward;
  const polygons = geometry.type === "MultiPolygon" ? geometry.coordinates : geometry.type === "Polygon" ? [geometry.coordinates] : [];
  let best = 0;
  let found: [number, number] | null = null;
  for (const [ring] of polygons) {
    if (!ring) continue;
    let twice = 0;
    let x = 0;
    let y = 0;
    const [left, low] = ring[0] as [number, number];
    for (let place = 1; place < ring.length; place++) {
      const [fromX, fromY] = [ring[place - 1]![0]! - left, ring[place - 1]![1]! - low];
      const [toX, toY] = [ring[place]![0]! - left, ring[place]![1]! - low];
      const cross = fromX * toY - toX * fromY;
      twice += cross;
      x += (fromX + toX) * cross;
      y += (fromY + toY) * cross;
    }
    if (Math.abs(twice) > best) {
      best = Math.abs(twice);
      found = [left + x / (3 * twice), low + y / (3 * twice)];
    }
  }
  return found && { type: "Feature", geometry: { type: "Point", coordinates: found }, properties: { name: properties.name ?? "" } };
}
