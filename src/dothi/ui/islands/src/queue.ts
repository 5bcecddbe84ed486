// The queue of incidents beside the map: the server draws it, the stream says when to ask again, its rows carry the markers.
import "./left";
import { part } from "./list";
import { say, type Point, type Words } from "./model";

const REST = 1000; // milliseconds between two looks, however much changes
const SPREAD = 800; // so that not every desk asks in the same moment
const AGAIN = 4000; // after a look that failed

export interface QueueWish {
  text: string;
  ward: string;
  order: string;
}

export class Queue {
  readonly #root: HTMLElement;
  readonly #box: HTMLElement;
  readonly #words: Words;
  readonly #language: string;
  readonly #changed: () => void;
  readonly #wish: () => QueueWish;
  #points: Point[] = [];
  #timer = 0;
  #looked = 0;
  #looks = 0;
  #shown = 0;
  #tag = "";
  #here: GeolocationCoordinates | null = null;
  #chosen = "";

  constructor(root: HTMLElement, words: Words, language: string, wish: () => QueueWish, changed: () => void) {
    this.#root = root;
    this.#words = words;
    this.#language = language;
    this.#wish = wish;
    this.#changed = changed;
    this.#box = part(root, "work-box");
    this.#read();
    const near = part(root, "near") as HTMLButtonElement;
    near.hidden = !("geolocation" in navigator);
    near.addEventListener("click", () => this.#near(near));
  }

  get points(): Point[] {
    return this.#points;
  }

  choose(code: string): void {
    this.#chosen = code;
    for (const item of this.#box.querySelectorAll<HTMLElement>("[data-code]")) {
      const link = item.querySelector("a")!;
      if (item.dataset["code"] === code) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    this.#box.querySelector(`[data-code="${CSS.escape(code)}"]`)?.scrollIntoView({ block: "nearest" });
  }

  /** Something changed: ask again before long. */
  soon(): void {
    if (this.#timer) return;
    const wait = Math.max(0, this.#looked + REST - performance.now()) + Math.random() * SPREAD;
    this.#timer = window.setTimeout(() => void this.look(), wait);
  }

  async look(): Promise<void> {
    window.clearTimeout(this.#timer);
    this.#timer = 0;
    this.#looked = performance.now();
    const turn = ++this.#looks;
    const { text, ward, order } = this.#wish();
    const asked = new URLSearchParams({ q: text, ward, order, lang: this.#language });
    const fault = part(this.#root, "work-fault");
    try {
      const answer = await fetch(`/incidents/queue?${asked}`, { cache: "no-cache" });
      if (!answer.ok) throw new Error(`queue: ${answer.status}`);
      const tag = `${asked} ${answer.headers.get("etag") ?? ""}`;
      fault.hidden = true;
      const told = await answer.text();
      if (turn < this.#shown) return; // a later look came back sooner
      this.#shown = turn;
      if (tag === this.#tag) return;
      this.#tag = tag;
      this.#take(new DOMParser().parseFromString(told, "text/html"));
    } catch (error) {
      console.warn(error);
      fault.textContent = this.#words["work_failed"] ?? "";
      fault.hidden = false;
      this.#timer = window.setTimeout(() => void this.look(), AGAIN);
    }
  }

  #take(page: Document): void {
    const fresh = page.querySelector<HTMLElement>("[data-part=work]");
    if (!fresh) return;
    const known = new Set([...this.#box.querySelectorAll<HTMLElement>("[data-code]")].map((one) => one.dataset["code"]));
    const held = document.activeElement?.closest<HTMLElement>("[data-code]")?.dataset["code"];
    const inside = this.#box.contains(document.activeElement);
    for (const item of fresh.querySelectorAll<HTMLElement>("[data-code]")) {
      item.querySelector("a")!.href = address(item.dataset["code"]!);
      if (!known.has(item.dataset["code"])) item.classList.add("work-new");
    }
    this.#box.replaceChildren(document.adoptNode(fresh));
    part(this.#root, "work-total").textContent = new Intl.NumberFormat(this.#language).format(Number(fresh.dataset["total"]));
    this.#read();
    if (this.#chosen) this.choose(this.#chosen);
    if (inside && held) this.#box.querySelector<HTMLElement>(`[data-code="${CSS.escape(held)}"] a`)?.focus({ preventScroll: true });
    this.#changed();
  }

  #read(): void {
    const told = this.#box.querySelector("[data-part=work-points]")?.textContent;
    this.#points = told ? (JSON.parse(told) as Point[]) : [];
    if (this.#here) this.#sort();
  }

  #near(button: HTMLButtonElement): void {
    if (this.#here) {
      this.#here = null;
      button.setAttribute("aria-pressed", "false");
      this.#tag = "";
      void this.look();
      return;
    }
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        this.#here = coords;
        button.setAttribute("aria-pressed", "true");
        this.#sort();
      },
      () => {
        const fault = part(this.#root, "work-fault");
        fault.textContent = this.#words["no_place"] ?? "";
        fault.hidden = false;
      },
      { maximumAge: 60_000, timeout: 10_000 },
    );
  }

  /** The nearest first, each with how far it is. */
  #sort(): void {
    const list = this.#box.querySelector(".work-items");
    const here = this.#here;
    if (!list || !here) return;
    const items = [...list.querySelectorAll<HTMLElement>("[data-code]")].map((item) => {
      const [longitude, latitude] = (item.dataset["at"] ?? "").split(",").map(Number);
      const metres = Number.isFinite(latitude) ? distance(here.longitude, here.latitude, longitude!, latitude!) : Infinity;
      return { item, metres };
    });
    items.sort((one, other) => one.metres - other.metres);
    for (const { item, metres } of items) {
      let mark = item.querySelector<HTMLElement>("[data-part=away]");
      if (!mark) {
        mark = Object.assign(document.createElement("span"), { className: "work-away" });
        mark.dataset["part"] = "away";
        item.querySelector(".work-marks")?.prepend(mark);
      }
      mark.textContent = Number.isFinite(metres) ? say(this.#words["away"], { distance: far(metres, this.#language) }) : "";
      list.append(item);
    }
  }
}

/** Metres between two points of a city. */
export function distance(fromLongitude: number, fromLatitude: number, toLongitude: number, toLatitude: number): number {
  const wide = Math.cos((fromLatitude * Math.PI) / 180);
  return 111_320 * Math.hypot((toLongitude - fromLongitude) * wide, toLatitude - fromLatitude);
}

/** `600 m`, `1,2 km`. */
export function far(metres: number, language: string): string {
  if (metres < 950) return `${Math.max(10, Math.round(metres / 10) * 10)} m`;
  return `${new Intl.NumberFormat(language, { maximumFractionDigits: metres < 9_500 ? 1 : 0 }).format(metres / 1000)} km`;
}

/** This page with another one chosen. */
function address(code: string): string {
  const now = new URL(location.href);
  now.searchParams.set("chosen", code);
  return now.pathname + now.search;
}
