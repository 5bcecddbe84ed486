// The operations page with a script: one state in the address, one stream, and the list, map and drawer that show it.
import "maplibre-gl/dist/maplibre-gl.css";
import "./map.css";
import "./operations.css";
import "./charts.css";
import "./work.css";
import { Drawer } from "./drawer";
import { List, part, type ListFilter } from "./list";
import { Queue } from "./queue";
import { follow, type LiveMessage } from "./live";
import type { CityMap, Place } from "./map";
import type { Frame, Seen } from "./frames";
import { say, type Area, type LayerData, type Point, type TileView, type Words } from "./model";
import { cityTime, zoned } from "./time";
import { TimeBar } from "./timebar";

class Operations extends HTMLElement {
  #words: Words = {};
  #layers: string[] = [];
  #filter: ListFilter = { text: "", ward: "", state: "all" };
  #chosen = "";
  #points = new Map<string, Map<string, Point>>();
  #areas = new Map<string, Area[]>();
  #showAreas = true;
  #list!: List;
  #queue: Queue | null = null; // not for who may not see incidents
  #order = "";
  #drawer!: Drawer;
  #time!: TimeBar;
  #map: CityMap | null = null;
  #unfollow: (() => void) | null = null;
  #loading: Promise<void> = Promise.resolve();
  #loads = 0;
  #meanwhile: (() => void)[] = []; // streamed while layers were loading: newer than what they bring
  #drawing = 0;
  #hours = "";

  connectedCallback(): void {
    this.#words = JSON.parse(this.dataset["words"] ?? "{}") as Words;
    this.#layers = (this.dataset["layers"] ?? "").split(",").filter(Boolean);
    const wards = new Map([...this.querySelectorAll<HTMLOptionElement>("#ward option")].map((one) => [one.value, one.text]));
    this.#readAddress();
    this.#list = new List(this, this.#words, wards);
    if (this.querySelector("[data-part=work-box]")) {
      const wish = (): { text: string; ward: string; order: string } => ({ text: this.#filter.text, ward: this.#filter.ward, order: this.#order });
      this.#queue = new Queue(this, this.#words, this.dataset["language"] ?? "vi", wish, () => this.#draw());
      this.#queue.choose(this.#chosen);
    }
    this.#drawer = new Drawer(this, this.#words, () => this.#choose(""));
    this.#time = new TimeBar(part(this, "time"), part(this, "past"), {
      language: this.dataset["language"] ?? "vi",
      words: this.#words,
      layers: () => this.#layers,
      show: (frame, seen) => this.#lookBack(frame, seen),
      live: () => void this.#comeBack(),
      write: (changes, entry) => this.#writeAddress(changes, entry),
    });
    this.#wire();
    if (!this.#time.read()) this.#listen();
    void this.#startMap();
    performance.mark("dothi-interactive"); // the server's rows, the search and the keys work from here on
  }

  disconnectedCallback(): void {
    this.#unfollow?.();
  }

  #all(): Point[] {
    return this.#layers.flatMap((layer) => [...(this.#points.get(layer)?.values() ?? [])]);
  }

  // The address

  #readAddress(): void {
    const query = new URLSearchParams(location.search);
    this.#filter = { text: query.get("q") ?? "", ward: query.get("ward") ?? "", state: query.get("state") ?? "all" };
    this.#chosen = query.get("chosen") ?? "";
    this.#showAreas = query.get("areas") !== "0";
    this.#order = query.get("order") ?? "";
  }

  #writeAddress(changes: Record<string, string>, entry: "push" | "replace" = "replace"): void {
    const address = new URL(location.href);
    for (const [name, value] of Object.entries(changes)) {
      if (value) address.searchParams.set(name, value);
      else address.searchParams.delete(name);
    }
    if (address.href === location.href) return;
    if (entry === "push") history.pushState(null, "", address);
    else history.replaceState(null, "", address);
  }

  // What people do

  #wire(): void {
    const search = document.querySelector<HTMLInputElement>("#search");
    const ward = this.querySelector<HTMLSelectElement>("#ward");
    search?.addEventListener("input", () => this.#narrow({ text: search.value }, { q: search.value.trim() }));
    search?.form?.addEventListener("submit", (event) => {
      event.preventDefault();
      this.querySelector<HTMLAnchorElement>("[data-list]:not([hidden]) :is(.items, .work-items) a")?.focus();
    });
    ward?.addEventListener("change", () => this.#narrow({ ward: ward.value }, { ward: ward.value }));
    this.#wireQueue();
    this.querySelector("[data-list=stations] .tabs")?.addEventListener("click", (event) => {
      const tab = (event.target as HTMLElement).closest<HTMLAnchorElement>("[data-state]");
      if (!tab) return;
      event.preventDefault();
      const state = tab.dataset["state"] ?? "all";
      mark(tab);
      this.#narrow({ state }, { state: state === "all" ? "" : state });
    });
    part(this, "items").addEventListener("click", (event) => {
      const row = (event.target as HTMLElement).closest<HTMLElement>("[data-id]");
      if (!row || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.#choose(row.dataset["id"]!);
    });
    this.querySelector(".pills")?.addEventListener("click", (event) => this.#press((event.target as HTMLElement).closest("button")));
    const areas = this.querySelector("[data-ground=areas]");
    areas?.setAttribute("aria-pressed", String(this.#showAreas));
    part(this, "zoom").addEventListener("click", (event) => {
      const wish = (event.target as HTMLElement).closest<HTMLElement>("[data-zoom]")?.dataset["zoom"];
      if (wish === "fit") this.#map?.fit();
      else if (wish) this.#map?.zoom(wish === "in" ? 1 : -1);
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.#chosen && !(event.target as HTMLElement).closest("input")) this.#choose("");
    });
    window.addEventListener("popstate", () => {
      this.#readAddress();
      this.#time.read();
      this.#show();
    });
  }

  #wireQueue(): void {
    this.querySelector<HTMLElement>(".queue-lists")?.addEventListener("click", (event) => {
      const tab = (event.target as HTMLElement).closest<HTMLAnchorElement>("[data-list-of]");
      if (!tab || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      mark(tab);
      for (const list of this.querySelectorAll<HTMLElement>("[data-list]")) list.hidden = list.dataset["list"] !== tab.dataset["listOf"];
      this.#writeAddress({ list: tab.dataset["listOf"] === "stations" ? "stations" : "" });
    });
    this.querySelector("[data-list=incidents] .tabs")?.addEventListener("click", (event) => {
      const tab = (event.target as HTMLElement).closest<HTMLAnchorElement>("[data-order]");
      if (!tab) return;
      event.preventDefault();
      mark(tab);
      this.#order = tab.dataset["order"] === "left" ? "" : (tab.dataset["order"] ?? "");
      this.#writeAddress({ order: this.#order });
      void this.#queue?.look();
    });
    this.querySelector<HTMLElement>("[data-part=work-box]")?.addEventListener("click", (event) => {
      const row = (event.target as HTMLElement).closest<HTMLElement>("[data-code]");
      if (!row || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.#choose(row.dataset["code"]!);
    });
  }

  #narrow(filter: Partial<ListFilter>, address: Record<string, string>): void {
    this.#filter = { ...this.#filter, ...filter };
    this.#writeAddress(address);
    this.#draw();
    this.#queue?.soon();
  }

  #choose(id: string): void {
    this.#chosen = id;
    this.#writeAddress({ chosen: id }, "push");
    this.#show();
  }

  #press(button: HTMLButtonElement | null): void {
    if (!button) return;
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    if (button.dataset["ground"]) {
      this.#showAreas = on;
      this.#writeAddress({ areas: on ? "" : "0" });
      this.#drawAreas();
      return;
    }
    const pressed = [...this.querySelectorAll<HTMLElement>(".pill[data-layer][aria-pressed=true]")];
    this.#layers = pressed.map((one) => one.dataset["layer"]!);
    this.#writeAddress({ layers: this.#layers.join(",") || "none" });
    if (!this.#time.seen) this.#listen();
    this.#time.renew();
  }

  // What the city was

  /** Show a past moment; what the stream says does not move it. */
  #lookBack(frame: Frame, seen: Seen): void {
    this.#unfollow?.();
    this.#unfollow = null;
    this.#points = new Map([...frame.layers].map(([layer, { points }]) => [layer, new Map(points.map((one) => [one.id, one]))]));
    this.#areas = new Map([...frame.layers].map(([layer, { areas }]) => [layer, areas]));
    this.#draw();
    this.#drawAreas();
    this.#drawTiles(frame.tiles);
    this.#drawer.look(seen);
    const { hour, day } = zoned(seen.at);
    this.#line("past", `${hour} ${day}`);
  }

  async #comeBack(): Promise<void> {
    this.#drawer.look(null);
    this.#listen();
    const answer = await fetch(`/map/tiles.json?lang=${this.dataset["language"]}`).catch(() => null);
    if (answer?.ok && !this.#time.seen) this.#drawTiles((await answer.json()) as TileView[]);
  }

  // What the city says

  #listen(): void {
    this.#unfollow?.();
    const layers = this.#layers.join(",") || "none";
    this.#unfollow = follow(`/live?layers=${encodeURIComponent(layers)}&lang=${this.dataset["language"]}`, (message) => this.#hear(message));
    void this.#load();
  }

  #hear(message: LiveMessage): void {
    if (this.#time.seen) return;
    switch (message.kind) {
      case "hello": // what changed between loading and listening is in neither: load once more
      case "reload":
        void this.#loading.then(() => this.#load());
        this.#queue?.soon();
        this.#line("live", this.#words["live"] ?? "");
        break;
      case "beat":
        this.#line("live", this.#words["live"] ?? "");
        break;
      case "lost":
        this.#line("lost", say(this.#words["lost"], { time: zoned(cityTime(message.data.since)).clock }));
        break;
      case "points": {
        const { layer, points } = message.data;
        this.#take(() => {
          for (const point of points) this.#points.get(layer)?.set(point.id, point);
        });
        for (const point of points) this.#drawer.refresh(point.id);
        this.#line("live", this.#words["live"] ?? "");
        break;
      }
      case "removed": {
        const { ids } = message.data;
        this.#take(() => {
          for (const points of this.#points.values()) for (const id of ids) points.delete(id);
        });
        if (ids.includes(this.#chosen)) this.#choose("");
        break;
      }
      case "incidents":
        this.#queue?.soon();
        if (message.data.codes.includes(this.#chosen)) this.#drawer.refresh(this.#chosen);
        break;
      case "summary":
        for (const [layer, areas] of Object.entries(message.data.areas)) this.#areas.set(layer, areas);
        this.#drawAreas();
        this.#drawTiles(message.data.tiles);
        if (this.#hours !== (this.#hours = JSON.stringify(message.data.hours))) this.#time.refresh();
        break;
    }
  }

  /** Do what the stream says, and once more after a load that may bring what is older. */
  #take(change: () => void): void {
    if (this.#loads) this.#meanwhile.push(change);
    change();
    this.#draw();
  }

  /** Load every layer anew. What the stream says meanwhile is newer and comes on top. */
  #load(): Promise<void> {
    this.#loads++;
    this.#loading = Promise.all(
      this.#layers.map(async (layer) => {
        const answer = await fetch(`/map/layers/${encodeURIComponent(layer)}.json?lang=${this.dataset["language"]}`);
        if (!answer.ok) throw new Error(`layer ${layer}: ${answer.status}`);
        const { points, areas } = (await answer.json()) as LayerData;
        if (this.#time.seen) return;
        this.#points.set(layer, new Map(points.map((point) => [point.id, point])));
        this.#areas.set(layer, areas);
      }),
    )
      .then(() => {
        for (const change of this.#meanwhile) change();
        this.#draw();
        this.#drawAreas();
      })
      .catch((error: unknown) => console.error(error)) // the rows of the server stay; the stream says that the line is gone
      .finally(() => {
        this.#loads--;
        if (!this.#loads) this.#meanwhile = [];
      });
    return this.#loading;
  }

  // What is shown

  #show(): void {
    void this.#drawer.open(this.#chosen);
    this.classList.toggle("has-drawer", this.#chosen !== "");
    this.#draw();
    this.#map?.choose(this.#chosen);
    this.#list.reveal(this.#chosen);
    this.#queue?.choose(this.#chosen);
  }

  /** Draw list and markers before the next frame, however many messages came. */
  #draw(): void {
    if (this.#drawing || !(this.#points.size || this.#queue?.points.length)) return;
    this.#drawing = requestAnimationFrame(() => {
      this.#drawing = 0;
      const points = this.#all();
      this.#list.show(points, this.#filter, this.#chosen, this.#time.seen !== null);
      if (this.#map) {
        const kept = points.filter((point) => point.id === this.#chosen || this.#list.keeps(point, this.#filter));
        // Incidents are of now: on a map of the past they would lie.
        this.#map.points = this.#time.seen ? kept : [...kept, ...(this.#queue?.points ?? [])];
        void this.#map.chooseWard(this.#filter.ward);
      }
      this.dataset["ready"] = String(points.length);
    });
  }

  #drawAreas(): void {
    const areas = this.#showAreas ? this.#layers.flatMap((layer) => this.#areas.get(layer) ?? []) : [];
    void this.#map?.areas(areas);
  }

  #drawTiles(tiles: TileView[]): void {
    for (const { id, tile } of tiles) {
      const element = this.querySelector<HTMLElement>(`[data-tile="${CSS.escape(id)}"]`);
      const words = element?.querySelector("[data-slot=words]");
      if (!element || !words) continue;
      element.className = `tile tile-${tile.severity}${tile.number === null ? " tile-missing" : ""}`;
      if (tile.number === null) words.textContent = tile.missing;
      else words.replaceChildren(Object.assign(document.createElement("b"), { textContent: tile.number }), ` ${tile.words}`);
    }
  }

  #line(state: "live" | "lost" | "past", words: string): void {
    const line = part(this, "line");
    const text = part(this, "line-words");
    if (line.dataset["state"] === state && text.textContent === words) return;
    line.dataset["state"] = state;
    text.textContent = words;
    line.title = state === "lost" ? (this.#words["lost_help"] ?? "") : "";
  }

  async #startMap(): Promise<void> {
    const note = part(this, "map-note");
    const tell = (words: string): void => {
      note.textContent = words;
      note.hidden = words === "";
    };
    try {
      const [{ CityMap }] = await Promise.all([import("./map"), this.#loading]); // the list first, then WebGL
      this.#map = new CityMap({
        box: part(this, "map"),
        bounds: (this.dataset["bounds"] ?? "").split(",").map(Number) as [number, number, number, number],
        place: readPlace(),
        words: this.#words,
        choose: (id) => this.#choose(id),
        moved: ({ zoom, latitude, longitude }) =>
          this.#writeAddress({ map: `${zoom.toFixed(2)}/${latitude.toFixed(5)}/${longitude.toFixed(5)}` }),
        note: tell,
        thanks: (words) => this.#thank(words),
      });
      part(this, "zoom").hidden = false;
      this.#draw();
      this.#drawAreas();
      this.#map.choose(this.#chosen);
    } catch (error) {
      console.error(error);
      tell(this.#words["map_failed"] ?? "");
    }
  }

  /** Name the sources, where the ground was not ready when the page was made. */
  #thank(words: string): void {
    if (this.querySelector(".map-thanks")) return;
    const thanks = document.createElement("p");
    thanks.className = "map-thanks";
    thanks.textContent = words;
    this.querySelector(".map-bar")?.append(thanks);
  }
}

/** Say which of a row of tabs holds. */
function mark(tab: HTMLElement): void {
  for (const one of tab.parentElement!.querySelectorAll("a")) one.removeAttribute("aria-current");
  tab.setAttribute("aria-current", "true");
}

/** The place in the address: zoom/latitude/longitude. */
function readPlace(): Place | null {
  const [zoom, latitude, longitude] = (new URLSearchParams(location.search).get("map") ?? "").split("/").map(Number);
  if (!zoom || !Number.isFinite(latitude) || !Number.isFinite(longitude)) return null;
  return { zoom, latitude: latitude!, longitude: longitude! };
}

customElements.define("dt-operations", Operations);
