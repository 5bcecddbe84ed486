// The map island: MapLibre over our own ground, with the markers on top. Loaded after the list already works.
import maplibre, { type Map as GlMap } from "maplibre-gl/dist/maplibre-gl-csp";
import worker from "maplibre-gl/dist/maplibre-gl-csp-worker.js?url";
import { lay, load, repaint } from "./ground";
import { Markers } from "./markers";
import type { Area, Point, Words } from "./model";

export interface Place {
  zoom: number;
  latitude: number;
  longitude: number;
}

export interface MapOptions {
  box: HTMLElement;
  bounds: [number, number, number, number];
  place: Place | null;
  words: Words;
  choose: (id: string) => void;
  moved: (place: Place) => void;
  note: (words: string) => void;
  thanks: (words: string) => void;
  scale?: number; // how much larger than at a desk markers and names are: a wall is read from afar
  fixed?: boolean; // nobody touches it, and it shows every point
}

const EDGE = { top: 20, bottom: 32, left: 20, right: 20 }; // around the whole city
const AFAR = { top: 25, bottom: 27, left: 20, right: 20 }; // the same where nobody can move it, for marks of a desk's size
const ROOM = { top: 48, bottom: 68, left: 64, right: 64 }; // a marker moved aside still stands whole inside
const FONTS = ["400 16px 'Be Vietnam Pro'", "600 16px 'Be Vietnam Pro'", "600 16px 'Be Vietnam Pro SemiBold'"];

export class CityMap {
  readonly #map: GlMap;
  readonly #markers: Markers;
  readonly #bounds: MapOptions["bounds"];
  readonly #laid: Promise<void>;
  #points: Point[] = [];
  #coloured: string[] = [];

  constructor(options: MapOptions) {
    maplibre.setWorkerUrl(worker);
    this.#bounds = options.bounds;
    const [west, south, east, north] = options.bounds;
    this.#map = new maplibre.Map({
      container: options.box,
      style: { version: 8, sources: {}, layers: [] },
      ...(options.place
        ? { center: [options.place.longitude, options.place.latitude] as [number, number], zoom: options.place.zoom }
        : { bounds: [[west, south], [east, north]] as [[number, number], [number, number]], fitBoundsOptions: { padding: options.fixed ? grown(AFAR, options.scale ?? 1) : EDGE } }),
      maxBounds: [[west - 1, south - 1], [east + 1, north + 1]],
      minZoom: 7,
      maxZoom: 18,
      interactive: !options.fixed,
      attributionControl: false,
      // Where the page itself scrolls, one finger must go on scrolling it.
      cooperativeGestures: window.matchMedia("(max-width: 760px)").matches,
      locale: {
        "CooperativeGesturesHandler.WindowsHelpText": options.words["map_wheel"] ?? "",
        "CooperativeGesturesHandler.MacHelpText": options.words["map_wheel_mac"] ?? "",
        "CooperativeGesturesHandler.MobileHelpText": options.words["map_fingers"] ?? "",
        "Map.Title": options.words["map"] ?? "",
      },
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      fadeDuration: 0,
    });
    this.#map.touchZoomRotate.disableRotation();
    this.#map.keyboard.disableRotation();
    this.#markers = new Markers(this.#map, options.box, options.words, options.choose, options.scale ?? 1);
    this.#map.on("moveend", () => {
      const { lng, lat } = this.#map.getCenter();
      options.moved({ zoom: this.#map.getZoom(), latitude: lat, longitude: lng });
    });
    const styled = new Promise<void>((done) => this.#map.once("load", () => done()));
    // Label glyphs are drawn once from the page's fonts and kept: they must be there first.
    const fonts = Promise.all(FONTS.map((font) => document.fonts.load(font, "Hà Nội Đống")));
    this.#laid = Promise.all([styled, fonts]).then(() => {
      lay(this.#map, options.scale ?? 1);
      this.#markers.arrange();
    });
    this.#laid
      .then(() => load(this.#map, () => options.note(options.words["map_preparing"] ?? "")))
      .then((words) => {
        options.note("");
        options.thanks(words);
      })
      .catch((error: unknown) => {
        console.error(error);
        options.note(options.words["map_failed"] ?? "");
      });
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      requestAnimationFrame(() => void this.#laid.then(() => repaint(this.#map)));
    });
  }

  set points(points: Point[]) {
    this.#points = points;
    this.#markers.set(points);
  }

  async areas(areas: Area[]): Promise<void> {
    await this.#laid;
    for (const ward of this.#coloured) this.#map.setFeatureState({ source: "wards", id: ward }, { colour: null });
    for (const { ward, colour } of areas) this.#map.setFeatureState({ source: "wards", id: ward }, { colour });
    this.#coloured = areas.map((area) => area.ward);
  }

  async chooseWard(code: string): Promise<void> {
    await this.#laid;
    this.#map.setFilter("ward-chosen", ["==", ["get", "code"], code]);
  }

  choose(id: string): void {
    this.#markers.choose(id);
    const point = this.#points.find((one) => one.id === id);
    if (!point) return;
    const { x, y } = this.#map.project([point.longitude, point.latitude]);
    const { clientWidth, clientHeight } = this.#map.getContainer();
    if (x < 60 || y < 40 || x > clientWidth - 60 || y > clientHeight - 40) {
      this.#map.easeTo({ center: [point.longitude, point.latitude], animate: !still() });
    }
  }

  zoom(by: number): void {
    this.#map.zoomTo(this.#map.getZoom() + by, { animate: !still() });
  }

  /** See every point; the whole city when there is none. */
  fit(): void {
    const [west, south, east, north] = this.#bounds;
    const city = new maplibre.LngLatBounds([west, south], [east, north]);
    // A station that claims to be elsewhere must not make the city a dot.
    const inside = this.#points.filter(({ longitude, latitude }) => city.contains([longitude, latitude]));
    const bounds = inside.reduce((all, one) => all.extend([one.longitude, one.latitude]), new maplibre.LngLatBounds());
    this.#map.fitBounds(inside.length ? bounds : city, { padding: ROOM, maxZoom: 14, animate: !still() });
  }
}

function grown(room: typeof AFAR, by: number): typeof AFAR {
  return { top: room.top * by, bottom: room.bottom * by, left: room.left * by, right: room.right * by };
}

function still(): boolean {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}
