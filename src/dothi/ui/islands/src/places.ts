// An answer on the map: its points, or its wards. The map comes only once somebody looks at it.
import "maplibre-gl/dist/maplibre-gl.css";
import "./map.css";
import { part } from "./list";
import type { Area, Point, Words } from "./model";

interface Places {
  points: Point[];
  areas: Area[];
  bounds: [number, number, number, number];
  ward?: string; // outlined, and all of it in view
}

class PlacesMap extends HTMLElement {
  #seen: IntersectionObserver | null = null;

  connectedCallback(): void {
    this.#seen = new IntersectionObserver((found) => {
      if (!found.some((one) => one.isIntersecting)) return;
      this.#seen?.disconnect();
      void this.#show();
    });
    this.#seen.observe(this);
  }

  disconnectedCallback(): void {
    this.#seen?.disconnect();
  }

  async #show(): Promise<void> {
    const words = JSON.parse(this.dataset["words"] ?? "{}") as Words;
    const { points, areas, bounds, ward } = JSON.parse(this.querySelector("script")!.textContent!) as Places;
    const note = (text: string): void => {
      const line = part(this, "note");
      line.textContent = text;
      line.hidden = text === "";
    };
    try {
      const { CityMap } = await import("./map");
      const map = new CityMap({
        box: part(this, "map"),
        bounds,
        place: null,
        words,
        choose: (id) => {
          const chosen = points.find((one) => one.id === id);
          map.choose(id);
          note(chosen ? `${chosen.title}: ${chosen.label}` : "");
          document.getElementById(`at-${id}`)?.querySelector<HTMLElement>("a")?.focus(); // its row, where the page has one
        },
        moved: () => undefined,
        note,
        thanks: (text) => (part(this, "thanks").textContent = text),
      });
      map.points = points;
      if (ward) void map.chooseWard(ward);
      else map.fit();
      await map.areas(areas);
    } catch (error) {
      console.error(error);
      note(words["map_failed"] ?? "");
    }
  }
}

customElements.define("dt-places", PlacesMap);
