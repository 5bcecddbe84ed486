// The drawer: fetched as HTML for what is chosen, kept fresh while it is open.
import { Chart } from "./chart";
import { asked, type Seen } from "./frames";
import { part } from "./list";
import type { Words } from "./model";

const PATIENCE = 300; // milliseconds before a skeleton shows
const REST = 4000; // between two refreshes of an open drawer
const LOOK = 5000; // a reading may change what the drawer says and not what the marker says

export class Drawer {
  readonly #root: HTMLElement;
  readonly #panel: HTMLElement;
  readonly #words: Words;
  #urn = "";
  #fetched = 0;
  #timer = 0;
  #seen: Seen | null = null;
  #busy = false;

  constructor(root: HTMLElement, words: Words, close: () => void) {
    this.#root = part(root, "drawer");
    this.#panel = part(root, "panel");
    this.#words = words;
    this.#urn = this.#panel.querySelector<HTMLElement>(".panel")?.dataset["urn"] ?? "";
    window.setInterval(() => {
      if (this.#urn && !this.#seen && !document.hidden) this.refresh(this.#urn);
    }, LOOK);
    this.#panel.addEventListener("submit", (event) => void this.#send(event));
    part(this.#root, "close").addEventListener("click", (event) => {
      event.preventDefault();
      close();
    });
  }

  /** Show `urn`; nothing hides the drawer. */
  async open(urn: string): Promise<void> {
    if (urn === this.#urn && (urn === "" || this.#panel.childElementCount > 0)) return;
    this.#urn = urn;
    window.clearTimeout(this.#timer);
    this.#timer = 0;
    this.#root.hidden = urn === "";
    if (!urn) {
      this.#panel.replaceChildren();
      return;
    }
    const slow = window.setTimeout(() => this.#skeleton(), PATIENCE);
    try {
      const panel = await this.#fetch(urn);
      if (this.#urn !== urn) return;
      this.#panel.replaceChildren(panel);
      this.#root.scrollTop = 0;
    } catch (error) {
      console.error(error);
      if (this.#urn === urn) this.#failed(urn);
    } finally {
      window.clearTimeout(slow);
    }
  }

  /** Show what was known at a past moment, or the present again. While one answer is on its way, only the last wish waits. */
  look(seen: Seen | null): void {
    const same = seen?.at === this.#seen?.at && seen?.known === this.#seen?.known;
    this.#seen = seen;
    if (!same && this.#urn) void this.#renew(this.#urn);
  }

  /** The chosen entity changed: fetch again, not more often than every few seconds. */
  refresh(urn: string): void {
    if (urn !== this.#urn || this.#timer) return;
    const wait = Math.max(0, this.#fetched + REST - performance.now());
    this.#timer = window.setTimeout(() => {
      this.#timer = 0;
      void this.#renew(urn);
    }, wait);
  }

  async #renew(urn: string): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    const wish = this.#seen;
    const fresh = await this.#fetch(urn).catch(() => null); // the stream says so when the line is gone
    this.#busy = false;
    if (urn === this.#urn && fresh) this.#patch(fresh);
    if (this.#urn && wish !== this.#seen) void this.#renew(this.#urn);
  }

  /** Take what changed; all of it where there are other parts than before. */
  #patch(fresh: HTMLElement): void {
    const parts = (root: ParentNode): string =>
      [...root.querySelectorAll<HTMLElement>("[data-live], [data-chart]")].map((one) => one.dataset["live"] ?? one.dataset["chart"]).join();
    if (parts(fresh) !== parts(this.#panel)) {
      this.#panel.replaceChildren(fresh);
      return;
    }
    for (const [selector, key] of [["[data-live]", "live"], ["[data-chart]", "chart"]] as const) {
      for (const old of this.#panel.querySelectorAll<HTMLElement>(selector)) {
        const name = old.dataset[key]!;
        const found = fresh.querySelector<HTMLElement>(`[data-${key}="${CSS.escape(name)}"]`);
        if (!found) continue;
        if (key === "live") {
          if (old.innerHTML !== found.innerHTML) old.replaceChildren(...found.childNodes);
          continue;
        }
        const [chart, data] = [old.querySelector("dt-chart"), found.querySelector("dt-chart")];
        if (chart instanceof Chart && data) chart.update(data);
        const [table, rows] = [old.querySelector("details"), found.querySelector("details")];
        if (table && rows) table.replaceChildren(...rows.childNodes);
        old.lastElementChild!.replaceWith(found.lastElementChild!);
      }
    }
  }

  /** Send an act from the drawer and stay; what is refused is shown on the incident's own page. */
  async #send(event: SubmitEvent): Promise<void> {
    const form = event.target as HTMLFormElement;
    if (!form.dataset["act"]) return;
    event.preventDefault();
    const buttons = [...form.querySelectorAll("button")];
    for (const button of buttons) button.disabled = true;
    const answer = await fetch(form.action, { method: "POST", body: new FormData(form), headers: { accept: "application/json" } }).catch(() => null);
    for (const button of buttons) button.disabled = false;
    if (answer?.ok) await this.#renew(this.#urn);
    else form.submit();
  }

  async #fetch(urn: string): Promise<HTMLElement> {
    const page = urn.startsWith("SV-") ? `/incidents/${encodeURIComponent(urn)}/panel` : `/panel/${encodeURIComponent(urn)}${this.#seen ? `?${asked(this.#seen)}` : ""}`;
    const answer = await fetch(page);
    if (!answer.ok) throw new Error(`panel of ${urn}: ${answer.status}`);
    this.#fetched = performance.now();
    const told = new DOMParser().parseFromString(await answer.text(), "text/html");
    return document.adoptNode(told.querySelector<HTMLElement>(".panel")!);
  }

  #skeleton(): void {
    const bars = ["60%", "90%", "40%", "100%", "100%"].map((width, place) => {
      const bar = document.createElement("div");
      bar.className = "skeleton";
      bar.style.width = width;
      bar.style.height = place > 2 ? "120px" : "18px";
      return bar;
    });
    const box = document.createElement("div");
    box.className = "stack";
    box.setAttribute("aria-busy", "true");
    box.append(...bars);
    this.#panel.replaceChildren(box);
  }

  #failed(urn: string): void {
    const box = document.createElement("div");
    box.className = "empty";
    const again = document.createElement("button");
    again.className = "button";
    again.textContent = this.#words["retry"] ?? "";
    again.addEventListener("click", () => {
      this.#urn = "";
      void this.open(urn);
    });
    box.append(this.#words["panel_failed"] ?? "", again);
    this.#panel.replaceChildren(box);
  }
}
