// The wall with a script: the stream says that something changed, the server says what; the map shows where.
import "maplibre-gl/dist/maplibre-gl.css";
import "./map.css";
import "./work.css";
import "./wall.css";
import "./left";
import { part } from "./list";
import { follow, type LiveMessage } from "./live";
import type { CityMap } from "./map";
import { say, type LayerData, type Point, type Words } from "./model";
import { cityTime, zoned } from "./time";

const REST = 3000; // milliseconds between two renewals, however much changes
const DESIGN = 1920; // the width that the layout is drawn for
const SCALE = 2.2; // markers and names beside those of a desk, at that width

class Wall extends HTMLElement {
  #words: Words = {};
  #layers: string[] = [];
  #map: CityMap | null = null;
  #unfollow: (() => void) | null = null;
  #timer = 0;
  #renewed = 0;
  #lost = 0; // since when the line is broken, 0 while it holds

  connectedCallback(): void {
    this.#words = JSON.parse(this.dataset["words"] ?? "{}") as Words;
    this.#layers = (this.dataset["layers"] ?? "").split(",").filter(Boolean);
    const layers = this.#layers.join(",") || "none";
    this.#unfollow = follow(`/live?layers=${encodeURIComponent(layers)}&lang=${this.dataset["language"]}`, (message) => this.#hear(message));
    void this.#startMap();
  }

  disconnectedCallback(): void {
    this.#unfollow?.();
    window.clearTimeout(this.#timer);
  }

  #hear(message: LiveMessage): void {
    this.#lost = message.kind === "lost" ? message.data.since : 0;
    if (message.kind === "lost") this.#lose(message.data.since);
    else this.#soon();
  }

  /** Renew before long; a beat renews too, because ages grow while nothing changes. */
  #soon(): void {
    if (this.#timer) return;
    this.#timer = window.setTimeout(() => {
      void this.#renew().finally(() => (this.#timer = 0));
    }, Math.max(0, this.#renewed + REST - performance.now()));
  }

  async #renew(): Promise<void> {
    const before = Date.now();
    try {
      const board = await (await get(`/wall/board?lang=${this.dataset["language"]}`)).text();
      const fresh = new DOMParser().parseFromString(board, "text/html");
      for (const old of this.querySelectorAll<HTMLElement>("[data-live]")) {
        const found = fresh.querySelector<HTMLElement>(`[data-live="${CSS.escape(old.dataset["live"]!)}"]`);
        if (found && found.outerHTML !== old.outerHTML) old.replaceWith(document.adoptNode(found));
      }
      await this.#renewMap();
      this.dataset["state"] = "live";
      if (this.#lost) this.#lose(this.#lost); // it broke while the answer was on its way
    } catch (error) {
      console.error(error);
      this.#lose(before);
    }
    this.#renewed = performance.now();
  }

  /** Say since when nothing is known, and grey what is old. The next renewal takes all of this back. */
  #lose(since: number): void {
    if (this.dataset["state"] === "lost") return;
    this.dataset["state"] = "lost";
    const time = zoned(cityTime(since)).clock;
    part(this, "line").dataset["state"] = "lost";
    part(this, "line-words").textContent = say(this.#words["lost"], { time });
    part(this, "verdict-title").textContent = this.#words["lost_verdict"] ?? "";
    part(this, "verdict-words").textContent = say(this.#words["lost_words"], { time });
  }

  async #renewMap(): Promise<void> {
    const map = this.#map;
    if (!map) return;
    const found = await Promise.all(
      this.#layers.map(async (layer) => (await (await get(`/map/layers/${encodeURIComponent(layer)}.json?lang=${this.dataset["language"]}`)).json()) as LayerData),
    );
    const work = JSON.parse(this.querySelector("[data-part=work-points]")?.textContent ?? "[]") as Point[];
    map.points = [...work, ...found.flatMap((one) => one.points)];
    void map.areas(found.flatMap((one) => one.areas));
  }

  async #startMap(): Promise<void> {
    const note = part(this, "map-note");
    const tell = (words: string): void => {
      note.textContent = words;
      note.hidden = words === "";
    };
    try {
      const { CityMap } = await import("./map");
      this.#map = new CityMap({
        box: part(this, "map"),
        bounds: (this.dataset["bounds"] ?? "").split(",").map(Number) as [number, number, number, number],
        place: null,
        words: this.#words,
        choose: () => undefined,
        moved: () => undefined,
        note: tell,
        thanks: (words) => (part(this, "thanks").textContent = words),
        scale: (SCALE * window.innerWidth) / DESIGN,
        fixed: true,
      });
      await this.#renewMap();
    } catch (error) {
      console.error(error);
      tell(this.#words["map_failed"] ?? "");
    }
  }
}

async function get(address: string): Promise<Response> {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  return answer;
}

customElements.define("dt-wall", Wall);
