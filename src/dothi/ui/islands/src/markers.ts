// The markers over the map: real buttons, in the official colours, never one over another.
import type { Map as GlMap } from "maplibre-gl";
import { keepRoom } from "./ground";
import { byRank, say, type Point, type Words } from "./model";
import { HEIGHT, place, type Placed } from "./place";

const NEAR = 80; // pixels beyond the edge that are still placed, so that panning shows no gaps

const WORK = 34; // pixels that the shape of a severity takes
const WORK_HEIGHT = 28;
const COUNT = 30; // pixels that " | +99" takes
const ROUNDS = 4;

export class Markers {
  readonly #map: GlMap;
  readonly #words: Words;
  readonly #box: HTMLElement;
  readonly #lines: SVGSVGElement;
  readonly #choose: (id: string) => void;
  readonly #scale: number;
  #points: Point[] = [];
  #byId = new Map<string, Point>();
  #shown = new Map<string, { element: HTMLButtonElement; line: SVGLineElement; dot: SVGCircleElement; placed: Placed }>();
  #chosen = "";
  #pending = 0;

  constructor(map: GlMap, box: HTMLElement, words: Words, choose: (id: string) => void, scale: number) {
    this.#map = map;
    this.#scale = scale;
    this.#words = words;
    this.#choose = choose;
    this.#box = document.createElement("div");
    this.#box.className = "markers";
    this.#lines = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    this.#lines.setAttribute("aria-hidden", "true");
    this.#lines.classList.add("marker-lines");
    this.#box.append(this.#lines);
    box.append(this.#box);
    map.on("move", () => this.#follow());
    map.on("moveend", () => this.#arrange()); // at once: not even one frame with old places on a new view
  }

  set(points: Iterable<Point>): void {
    this.#points = [...points].sort(byRank);
    this.#byId = new Map(this.#points.map((point) => [point.id, point]));
    this.arrange();
  }

  choose(id: string): void {
    this.#chosen = id;
    this.arrange();
  }

  /** Place again before the next frame. */
  arrange(): void {
    if (this.#pending) return;
    this.#pending = requestAnimationFrame(() => {
      this.#pending = 0;
      this.#arrange();
    });
  }

  #arrange(): void {
    const { clientWidth, clientHeight } = this.#map.getContainer();
    const order = [...this.#points];
    const chosen = this.#byId.get(this.#chosen);
    if (chosen) order.unshift(...order.splice(order.indexOf(chosen), 1));
    const spots = [];
    for (const point of order) {
      const { x, y } = this.#map.project([point.longitude, point.latitude]);
      if (x < -NEAR || y < -NEAR || x > clientWidth + NEAR || y > clientHeight + NEAR) continue;
      spots.push({ id: point.id, x, y, width: (point.work ? WORK : 38 + 7 * point.label.length) * this.#scale, wide: false });
    }
    const height = (order.some((point) => point.work) ? WORK_HEIGHT : HEIGHT) * this.#scale;
    let found = place(spots, height);
    // A group says how many it is, which is wider than one value: place again with the room that takes.
    for (let round = 0; round < ROUNDS; round++) {
      const groups = new Set(found.filter((one) => one.ids.length > 1).map((one) => one.ids[0]!));
      const narrow = spots.filter((spot) => groups.has(spot.id) && !spot.wide);
      if (!narrow.length) break;
      for (const spot of narrow) {
        spot.wide = true;
        spot.width += COUNT * this.#scale;
      }
      found = place(spots, height);
    }
    const placed = new Map(found.map((one) => [one.ids[0]!, one]));
    for (const [id, { element, line, dot }] of this.#shown) {
      if (placed.has(id)) continue;
      element.remove();
      line.remove();
      dot.remove();
      this.#shown.delete(id);
    }
    for (const [id, one] of placed) {
      let shown = this.#shown.get(id);
      if (shown) shown.placed = one;
      else this.#shown.set(id, (shown = { ...this.#make(id), placed: one }));
      this.#dress(shown.element, one);
    }
    keepRoom(
      this.#map,
      [...placed.values()].map((one) => {
        const { lng, lat } = this.#map.unproject([one.x + one.dx, one.y + one.dy]);
        return [lng, lat, one.ids.length > 1];
      }),
    );
    this.#follow();
  }

  #make(id: string): { element: HTMLButtonElement; line: SVGLineElement; dot: SVGCircleElement } {
    const element = document.createElement("button");
    element.type = "button";
    element.addEventListener("click", () => this.#click(id));
    const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
    const dot = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    dot.setAttribute("r", "3");
    this.#lines.append(line, dot);
    this.#box.append(element);
    return { element, line, dot };
  }

  #dress(element: HTMLButtonElement, placed: Placed): void {
    const point = this.#byId.get(placed.ids[0]!)!;
    const others = placed.ids.length - 1;
    element.className = `marker marker-${point.freshness}${point.work ? " marker-work" : ""}${point.id === this.#chosen ? " marker-chosen" : ""}${others ? " marker-group" : ""}`;
    element.dataset["id"] = point.id;
    element.style.setProperty("--level", point.colour);
    element.style.setProperty("--level-ink", point.ink);
    const name = others
      ? say(this.#words[point.work ? "group_work" : "group"], { count: others + 1, label: point.label, title: point.title })
      : [point.title, point.label, point.freshness === "fresh" ? "" : this.#words[point.freshness]].filter(Boolean).join(" · ");
    const said = `${point.label}${point.work ? point.severity : ""}`;
    if (element.title === name && element.dataset["label"] === said) return;
    element.dataset["label"] = said;
    element.title = name;
    element.setAttribute("aria-label", others ? `${point.label}+${others}, ${name}` : name); // what is seen is said too
    const shape = point.work ? document.querySelector<HTMLTemplateElement>(`template[data-severity="${point.severity}"]`) : null;
    element.replaceChildren(shape?.content.firstElementChild?.cloneNode(true) ?? point.label);
    if (others) {
      const count = document.createElement("span");
      count.className = "marker-count";
      count.textContent = `+${others}`;
      element.append(count);
    }
  }

  #follow(): void {
    for (const [id, { element, line, dot, placed }] of this.#shown) {
      const point = this.#byId.get(id);
      if (!point) continue;
      const { x, y } = this.#map.project([point.longitude, point.latitude]);
      element.style.transform = `translate(-50%, -50%) translate(${Math.round(x + placed.dx)}px, ${Math.round(y + placed.dy)}px)`;
      const moved = placed.dx !== 0 || placed.dy !== 0;
      line.toggleAttribute("hidden", !moved);
      dot.toggleAttribute("hidden", !moved);
      if (!moved) continue;
      for (const [name, value] of [["x1", x], ["y1", y], ["x2", x + placed.dx], ["y2", y + placed.dy]] as const) line.setAttribute(name, String(value));
      dot.setAttribute("cx", String(x));
      dot.setAttribute("cy", String(y));
    }
  }

  #click(id: string): void {
    const group = this.#shown.get(id)?.placed.ids ?? [id];
    const members = group.map((one) => this.#byId.get(one)).filter((one) => one !== undefined);
    const west = Math.min(...members.map((one) => one.longitude));
    const east = Math.max(...members.map((one) => one.longitude));
    const south = Math.min(...members.map((one) => one.latitude));
    const north = Math.max(...members.map((one) => one.latitude));
    const apart = east - west > 1e-4 || north - south > 1e-4;
    if (members.length > 1 && apart && this.#map.getZoom() < 16.5) {
      const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
      this.#map.fitBounds([[west, south], [east, north]], { padding: 90, maxZoom: 17, animate: !still });
    } else {
      this.#choose(id);
    }
  }
}
