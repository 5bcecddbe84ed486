// The time bar: any past moment by mouse, finger or keys, at several speeds, with the frames fetched ahead.
import "./timebar.css";
import { Frames, asked, instant, type Frame, type Knowledge, type Seen } from "./frames";
import { part } from "./list";
import { say, type Words } from "./model";
import { drawHours, drawPlayhead, placeOf, type Bar } from "./rail";
import { zoned } from "./time";

const PATIENCE = 300; // milliseconds before it is said that a frame is still loading
const BEAT = 500; // milliseconds between two frames while it plays
const AHEAD = 5; // frames fetched ahead
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const GRAIN: Record<string, number> = { "24h": 5 * MINUTE, "7d": 15 * MINUTE, "30d": HOUR }; // what a drag rounds to
const ZONE = "+07:00"; // the city's zone, which has no summer time

export type Entry = "push" | "replace" | "none";

export interface TimeBarOptions {
  language: string;
  words: Words;
  layers: () => readonly string[];
  /** Show a past frame. */
  show: (frame: Frame, seen: Seen) => void;
  /** Show the present again. */
  live: () => void;
  /** Keep the choice in the address. */
  write: (changes: Record<string, string>, entry: "push" | "replace") => void;
}

export class TimeBar {
  readonly #root: HTMLElement;
  readonly #past: HTMLElement;
  readonly #rail: HTMLElement;
  readonly #drawing: Element;
  readonly #options: TimeBarOptions;
  readonly #frames: Frames;
  readonly #began = performance.now();
  #bar: Bar;
  #seen: Seen | null = null;
  #shown: number | null = null; // the moment whose frame the page shows, null for the present
  #wanted = 0; // counts what was asked for, so that only the last answer is shown
  #busy = false; // while one frame is fetched, a drag only remembers where it is
  #playing = 0; // which run of play goes on, 0 while it stands
  #runs = 0;
  #slow = 0;
  #missed = ""; // what was looked for and is not there
  #hours = false; // while the hours of a window are fetched

  constructor(root: HTMLElement, past: HTMLElement, options: TimeBarOptions) {
    this.#root = root;
    this.#past = past;
    this.#options = options;
    this.#frames = new Frames(options.language);
    this.#rail = part(root, "rail");
    this.#drawing = part(root, "rail-drawing");
    this.#bar = JSON.parse(root.dataset["bar"] ?? "{}") as Bar;
    this.#dress();
    this.#wire();
    window.setInterval(() => this.#tick(), 10_000);
  }

  /** The moment that is looked at, null while it is now. */
  get seen(): Seen | null {
    return this.#seen;
  }

  get #now(): number {
    const { now, speed, limit } = this.#root.dataset;
    const city = Date.parse(now ?? "") + (performance.now() - this.#began) * Number(speed ?? 1);
    return limit ? Math.min(city, Date.parse(limit)) : city;
  }

  /** Take the moment from the address; true if it is a past one. */
  read(): boolean {
    const query = new URLSearchParams(location.search);
    const at = Date.parse(query.get("at") ?? "");
    const known: Knowledge = query.get("known") === "then" ? "then" : "now";
    const span = query.get("span") ?? "24h";
    this.#pause();
    if (span !== this.#bar.span && span in GRAIN) void this.#window(span);
    if (Number.isFinite(at)) this.#go({ at, known }, "none");
    else this.#leave("none");
    return this.#seen !== null;
  }

  /** The layers changed: other frames, other hours. */
  renew(): void {
    void this.#window(this.#bar.span);
    if (this.#seen) void this.#load();
  }

  /** The city's newest hours changed. */
  refresh(): void {
    if (!this.#seen) void this.#window(this.#bar.span);
  }

  // What people do

  #dress(): void {
    for (const name of ["play", "pace"]) part(this.#root, name).hidden = false;
    this.#rail.tabIndex = 0;
    this.#rail.setAttribute("role", "slider");
    this.#rail.setAttribute("aria-label", this.#root.getAttribute("aria-label") ?? "");
    this.#draw();
  }

  #wire(): void {
    part(this.#root, "play").addEventListener("click", () => this.#toggle());
    part(this.#past, "past-retry").addEventListener("click", () => void this.#load());
    this.#on(this.#past, "[data-time=now]", () => this.#leave("push"));
    this.#on(this.#past, "[data-known]", (link) => this.#know(link.dataset["known"] as Knowledge));
    this.#on(this.#root, "[data-span]", (link) => {
      this.#options.write({ span: link.dataset["span"] === "24h" ? "" : link.dataset["span"]! }, "replace");
      void this.#window(link.dataset["span"]!);
    });
    this.#on(this.#root, "[data-way]", (link) => void this.#jump(link.dataset["way"]!));
    this.#drag();
    this.#rail.addEventListener("keydown", (event) => this.#key(event));
    document.addEventListener("keydown", (event) => {
      const target = event.target as HTMLElement;
      if (event.ctrlKey || event.metaKey || event.altKey || target.closest("input, textarea, select, [role=slider]")) return;
      if (event.key === "[") void this.#jump("back");
      else if (event.key === "]") void this.#jump("on");
      else if (event.key === " " && !target.closest("button, a, summary")) this.#toggle();
      else return;
      event.preventDefault();
    });
    const form = part(this.#root, "jump-form") as HTMLFormElement;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit(new FormData(form));
    });
  }

  #on(root: HTMLElement, selector: string, act: (found: HTMLElement) => void): void {
    root.addEventListener("click", (event) => {
      const found = (event.target as HTMLElement).closest<HTMLElement>(selector);
      if (!found || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      act(found);
    });
  }

  #drag(): void {
    const at = (event: PointerEvent): number => {
      const { left, width } = this.#rail.getBoundingClientRect();
      const start = Date.parse(this.#bar.start);
      const wish = start + ((event.clientX - left) / width) * (Date.parse(this.#bar.end) - start);
      const grain = GRAIN[this.#bar.span]!;
      return Math.floor(wish / grain) * grain;
    };
    let held = false;
    let fresh = false; // the drag left the present: one step back leads there again
    this.#rail.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      held = true;
      fresh = this.#seen === null;
      this.#rail.setPointerCapture(event.pointerId);
      this.#rail.focus({ preventScroll: true });
      event.preventDefault();
      this.#pause();
      this.#move(at(event), fresh ? "push" : "none");
    });
    this.#rail.addEventListener("pointermove", (event) => {
      if (held) this.#move(at(event), "none");
    });
    const release = (event: PointerEvent): void => {
      if (!held) return;
      held = false;
      if (event.type === "pointerup") this.#move(at(event), fresh ? "replace" : "push");
    };
    this.#rail.addEventListener("pointerup", release);
    this.#rail.addEventListener("pointercancel", release);
  }

  #key(event: KeyboardEvent): void {
    const way = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -1, PageUp: 1 }[event.key];
    if (event.altKey) return;
    if (way) {
      const page = event.key.startsWith("Page");
      const step = page ? DAY : event.ctrlKey || event.metaKey ? HOUR : event.shiftKey ? MINUTE : 15 * MINUTE;
      const from = this.#seen?.at ?? this.#now;
      this.#pause();
      this.#move(way > 0 ? Math.floor(from / step + 1) * step : Math.ceil(from / step - 1) * step, event.repeat ? "replace" : "push");
    } else if (event.key === "Home" && this.#bar.began) this.#move(Math.ceil(Date.parse(this.#bar.began) / MINUTE) * MINUTE, "push");
    else if (event.key === "End") this.#leave("push");
    else if (event.key === " ") this.#toggle();
    else if (event.key === "[" || event.key === "]") void this.#jump(event.key === "[" ? "back" : "on");
    else return;
    event.preventDefault();
  }

  #submit(data: FormData): void {
    const fault = part(this.#root, "jump-fault");
    const at = Date.parse(`${String(data.get("day"))}T${String(data.get("time"))}:00${ZONE}`);
    fault.hidden = Number.isFinite(at) && at <= this.#now;
    if (!fault.hidden) {
      fault.textContent = this.#options.words["ahead"] ?? "";
      return;
    }
    (part(this.#root, "jump") as HTMLDetailsElement).open = false;
    (part(this.#root, "jump-form") as HTMLFormElement).reset(); // nothing is being written any more
    this.#pause();
    this.#go({ at, known: data.get("known") === "then" ? "then" : "now" }, "push");
  }

  #know(known: Knowledge): void {
    if (this.#seen) this.#go({ ...this.#seen, known }, "push");
  }

  async #jump(way: string): Promise<void> {
    this.#pause();
    const layer = this.#options.layers()[0];
    const token = ++this.#wanted;
    if (!layer) return;
    const query = this.#seen ? `&${asked(this.#seen)}` : "";
    const answer = await fetch(`/map/exceedance/${encodeURIComponent(layer)}.json?way=${way}${query}`).catch(() => null);
    if (token !== this.#wanted) return;
    const at = answer?.ok ? ((await answer.json()) as { at: string | null }).at : null;
    if (at) this.#go({ at: Date.parse(at), known: this.#seen?.known ?? "now" }, "push");
    else {
      this.#missed = this.#options.words[answer?.ok ? `missed_${way}` : "search_failed"] ?? "";
      this.#note(this.#missed);
    }
  }

  // Play

  #toggle(): void {
    if (this.#playing) return this.#pause();
    const bar = part(this.#root, "play");
    bar.setAttribute("aria-pressed", "true");
    bar.title = this.#options.words["pause"] ?? "";
    const run = ++this.#runs;
    this.#playing = run;
    const from = this.#seen ?? { at: Date.parse(this.#bar.start), known: "now" as const };
    if (!this.#seen) this.#go(from, "push");
    void this.#play(run);
  }

  #pause(): void {
    if (!this.#playing) return;
    this.#playing = 0;
    const bar = part(this.#root, "play");
    bar.setAttribute("aria-pressed", "false");
    bar.title = this.#options.words["play"] ?? "";
  }

  async #play(run: number): Promise<void> {
    while (this.#playing === run && this.#seen) {
      const pace = Number((part(this.#root, "pace") as HTMLSelectElement).value);
      const step = (pace * 1000 * BEAT) / 1000;
      const at = Math.floor(this.#seen.at / step + 1) * step;
      if (at >= this.#now) return this.#leave("replace");
      const layers = this.#options.layers();
      const next = { at, known: this.#seen.known };
      const due = new Promise((done) => window.setTimeout(done, BEAT));
      const frame = this.#frames.get(next, layers);
      for (let more = 1; more <= AHEAD; more++) {
        if (at + more * step < this.#now) this.#frames.get({ ...next, at: at + more * step }, layers).catch(() => undefined);
      }
      this.#wait(at);
      const found = await frame.catch((error: unknown) => (console.warn(error), null));
      this.#stopWaiting();
      await due;
      if (this.#playing !== run) return;
      if (!found) {
        this.#pause();
        return this.#fail(at);
      }
      this.#seen = next;
      this.#take(found, next);
      this.#options.write({ at: instant(at), known: next.known === "then" ? "then" : "" }, "replace");
    }
  }

  // Where it goes

  #move(at: number, entry: Entry): void {
    if (at >= this.#now) this.#leave(entry);
    else if (this.#seen?.at !== at || entry !== "none") this.#go({ at, known: this.#seen?.known ?? "now" }, entry);
  }

  #go(seen: Seen, entry: Entry): void {
    if (seen.at >= this.#now) return this.#leave(entry);
    this.#missed = "";
    this.#seen = seen;
    if (entry !== "none") this.#options.write({ at: instant(seen.at), known: seen.known === "then" ? "then" : "", missed: "" }, entry);
    this.#draw();
    void this.#load();
  }

  #leave(entry: Entry): void {
    this.#pause();
    this.#missed = "";
    this.#wanted++;
    const was = this.#seen;
    this.#seen = this.#shown = null;
    this.#stopWaiting();
    if (entry !== "none") this.#options.write({ at: "", known: "", missed: "" }, entry);
    this.#draw();
    if (was) {
      void this.#window(this.#bar.span);
      this.#options.live();
    }
  }

  /** Fetch what is looked at and show it. While one is on its way, only the newest wish waits. */
  async #load(): Promise<void> {
    this.#wanted++;
    if (this.#busy) return;
    this.#busy = true;
    try {
      for (let seen = this.#seen; seen; ) {
        const wish: Seen = seen;
        this.#wait(wish.at);
        const frame = await this.#frames.get(wish, this.#options.layers()).catch((error: unknown) => (console.warn(error), null));
        this.#stopWaiting();
        if (this.#seen && this.#seen !== wish) {
          seen = this.#seen; // it moved on meanwhile
          if (frame && seen.known === wish.known) {
            this.#shown = wish.at;
            this.#options.show(frame, wish);
          }
          continue;
        }
        if (this.#seen && frame) this.#take(frame, wish);
        else if (this.#seen) this.#fail(wish.at);
        break;
      }
    } finally {
      this.#busy = false;
    }
  }

  #take(frame: Frame, seen: Seen): void {
    this.#shown = seen.at;
    this.#draw();
    this.#note(this.#missed || this.#missing(frame, seen));
    this.#options.show(frame, seen);
  }

  /** What must be said of a moment at which the city knew nothing. */
  #missing(frame: Frame, seen: Seen): string {
    const points = [...frame.layers.values()].flatMap((layer) => layer.points);
    if (points.some((point) => point.freshness !== "silent")) return "";
    const { words } = this.#options;
    const began = this.#bar.began ? Date.parse(this.#bar.began) : Infinity;
    if (seen.at < began) return say(words["before_record"], { time: Number.isFinite(began) ? daytime(began) : "–" });
    return (seen.known === "then" ? words["unheard"] : words["unmeasured"]) ?? "";
  }

  // What is shown

  #wait(at: number): void {
    window.clearTimeout(this.#slow);
    this.#slow = window.setTimeout(() => {
      this.#past.dataset["state"] = "loading";
      this.#past.setAttribute("aria-busy", "true");
      this.#note(say(this.#options.words["moment_loading"], { time: daytime(at) }));
    }, PATIENCE);
  }

  #stopWaiting(): void {
    window.clearTimeout(this.#slow);
    this.#past.removeAttribute("aria-busy");
    delete this.#past.dataset["state"];
    this.#note(this.#missed);
    part(this.#past, "past-retry").hidden = true;
  }

  #fail(at: number): void {
    const kept = this.#shown === null ? (this.#options.words["now"] ?? "") : daytime(this.#shown);
    this.#past.dataset["state"] = "failed";
    this.#note(say(this.#options.words["moment_failed"], { time: daytime(at), kept }));
    part(this.#past, "past-retry").hidden = false;
  }

  #note(words: string): void {
    part(this.#seen ? this.#past : this.#root, this.#seen ? "past-note" : "time-note").textContent = words;
  }

  #draw(): void {
    const seen = this.#seen;
    const at = seen?.at ?? this.#now;
    this.#past.hidden = seen === null;
    this.#root.classList.toggle("time-past", seen !== null);
    if (seen) {
      part(this.#past, "past-time").textContent = daytime(seen.at);
      for (const one of this.#past.querySelectorAll<HTMLElement>("[data-known]")) {
        if (one.dataset["known"] === seen.known) one.setAttribute("aria-current", "true");
        else one.removeAttribute("aria-current");
      }
      const place = placeOf(this.#bar, seen.at);
      if ((place < 0 || place > 100) && !this.#hours) void this.#window(this.#bar.span);
    }
    if (!this.#drawing.querySelector(".knob")) drawHours(this.#drawing, this.#bar, this.#options.words["no_data"] ?? "");
    drawPlayhead(this.#drawing, this.#bar, at, seen !== null);
    this.#rail.setAttribute("aria-valuemin", String(Math.round(Date.parse(this.#bar.began ?? this.#bar.start) / MINUTE)));
    this.#rail.setAttribute("aria-valuemax", String(Math.round(this.#now / MINUTE)));
    this.#rail.setAttribute("aria-valuenow", String(Math.round(at / MINUTE)));
    this.#rail.setAttribute("aria-valuetext", seen ? daytime(at) : (this.#options.words["now"] ?? ""));
    const form = part(this.#root, "jump-form");
    const { day, hour } = zoned(at);
    // What stands there by default: what somebody is writing stays, however often the bar is drawn.
    form.querySelector<HTMLInputElement>("[name=day]")!.defaultValue = day.split("/").reverse().join("-");
    form.querySelector<HTMLInputElement>("[name=time]")!.defaultValue = hour;
    for (const one of form.querySelectorAll<HTMLInputElement>("[name=known]")) one.defaultChecked = one.value === (seen?.known ?? "now");
  }

  /** Fetch the hours of the window that holds what is looked at. */
  async #window(span: string): Promise<void> {
    for (const one of this.#root.querySelectorAll<HTMLElement>("[data-span]")) {
      if (one.dataset["span"] === span) one.setAttribute("aria-current", "true");
      else one.removeAttribute("aria-current");
    }
    const layer = this.#options.layers()[0];
    if (!layer) return;
    const at = this.#seen ? `&at=${instant(this.#seen.at)}` : "";
    const address = `/map/hours/${encodeURIComponent(layer)}.json?span=${span}&lang=${this.#options.language}${at}`;
    this.#hours = true;
    const answer = await fetch(address).catch(() => null);
    this.#hours = false;
    if (!answer?.ok) return; // the hours that are drawn stay
    this.#bar = (await answer.json()) as Bar;
    drawHours(this.#drawing, this.#bar, this.#options.words["no_data"] ?? "");
    this.#draw();
  }

  /** While it is now, the playhead goes on with the city's clock. */
  #tick(): void {
    if (this.#seen) return;
    if (placeOf(this.#bar, this.#now) > 100) void this.#window(this.#bar.span);
    else this.#draw();
  }
}

function daytime(at: number): string {
  const { hour, day } = zoned(at);
  return `${hour} ${day}`;
}
