// The list at the left: the worst first, filtered without accents, walked with j and k.
import { byRank, fold, say, type Point, type Words } from "./model";

const MOST = 200;
const ATTENTION = 2;

export interface ListFilter {
  text: string;
  ward: string;
  state: string;
}

export function levelPill(label: string, colour: string, ink: string): SVGSVGElement {
  const width = Math.max(20 + 8 * label.length, 40);
  const make = <K extends keyof SVGElementTagNameMap>(name: K, attributes: Record<string, string>): SVGElementTagNameMap[K] => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const pill = make("svg", { class: "pill-level", width: String(width), height: "22", viewBox: `0 0 ${width} 22`, role: "img", "aria-label": label });
  const text = make("text", { x: "50%", y: "15.5", "text-anchor": "middle", fill: ink });
  text.textContent = label;
  pill.append(make("rect", { width: "100%", height: "22", rx: "11", fill: colour }), text);
  return pill;
}

export class List {
  readonly #root: HTMLElement;
  readonly #words: Words;
  readonly #items: HTMLElement;
  readonly #blank: HTMLTemplateElement;
  readonly #shapes = new Map<number, Node>();
  readonly #wards: Map<string, string>;
  readonly #rows = new Map<string, { element: HTMLElement; point: Point }>();

  constructor(root: HTMLElement, words: Words, wards: Map<string, string>) {
    this.#root = root;
    this.#words = words;
    this.#wards = wards;
    this.#items = part(root, "items");
    this.#blank = part(root, "row") as HTMLTemplateElement;
    for (const shape of root.querySelectorAll<HTMLTemplateElement>("template[data-severity]")) {
      this.#shapes.set(Number(shape.dataset["severity"]), shape.content.firstElementChild!);
    }
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Show what `filter` keeps of `points`, those of a past moment or of now; says how many there are. */
  show(points: Iterable<Point>, filter: ListFilter, chosen: string, past: boolean): void {
    const all = [...points];
    const kept = all.filter((point) => this.keeps(point, filter)).sort(byRank);
    const wanted = kept.slice(0, MOST);
    const ids = new Set(wanted.map((point) => point.id));
    const held = document.activeElement;
    if (this.#rows.size === 0) this.#items.replaceChildren(); // the server's rows give way once, to the same content
    for (const [id, { element }] of this.#rows) {
      if (ids.has(id)) continue;
      element.remove();
      this.#rows.delete(id);
    }
    let place: Element | null = this.#items.firstElementChild;
    for (const point of wanted) {
      const element = this.#row(point, chosen);
      if (element === place) place = place.nextElementSibling;
      else this.#items.insertBefore(element, place);
    }
    // A row that moved up or down lost the focus on the way.
    if (held instanceof HTMLElement && held !== document.activeElement && this.#items.contains(held)) held.focus({ preventScroll: true });
    const count = (keep: (point: Point) => boolean): string => String(all.filter(keep).length);
    part(this.#root, "tally").textContent = say(this.#words["tally"], {
      total: all.length,
      attention: count((point) => point.severity >= ATTENTION),
      silent: count((point) => point.freshness === "silent"),
    });
    const empty = part(this.#root, "empty");
    empty.hidden = kept.length > 0;
    const blank = all.length ? "none" : past ? "then" : "never";
    for (const one of empty.querySelectorAll<HTMLElement>("[data-empty]")) one.hidden = one.dataset["empty"] !== blank;
    const more = part(this.#root, "more");
    more.hidden = kept.length <= MOST;
    more.textContent = say(this.#words["more"], { count: kept.length - MOST });
    const shown = part(this.#root, "shown");
    if (!shown.querySelector("a")) {
      shown.hidden = kept.length === all.length;
      shown.textContent = say(this.#words["shown"], { shown: kept.length, total: all.length });
    } else {
      shown.firstChild!.textContent = `${say(this.#words["shown"], { shown: kept.length, total: all.length })} · `;
    }
  }

  keeps(point: Point, filter: ListFilter): boolean {
    if (filter.ward && point.ward !== filter.ward) return false;
    if (filter.state === "attention" && point.severity < ATTENTION) return false;
    if ((filter.state === "late" || filter.state === "silent") && point.freshness !== filter.state) return false;
    const wanted = fold(filter.text.trim());
    return !wanted || fold(`${point.title} ${this.#wards.get(point.ward ?? "") ?? ""}`).includes(wanted);
  }

  reveal(id: string): void {
    this.#rows.get(id)?.element.scrollIntoView({ block: "nearest" });
  }

  #row(point: Point, chosen: string): HTMLElement {
    let row = this.#rows.get(point.id);
    if (!row) {
      const element = (this.#blank.content.firstElementChild as HTMLElement).cloneNode(true) as HTMLElement;
      element.dataset["id"] = point.id;
      row = { element, point: { ...point, label: "", title: "" } };
      this.#rows.set(point.id, row);
    }
    const { element } = row;
    const link = element.querySelector("a")!;
    const address = new URL(location.href);
    address.searchParams.set("chosen", point.id);
    link.href = address.search;
    link.toggleAttribute("aria-current", point.id === chosen);
    if (point.id === chosen) link.setAttribute("aria-current", "true");
    if (JSON.stringify(row.point) !== JSON.stringify(point)) {
      element.className = `item ${point.freshness}`;
      slot(element, "severity").replaceChildren(this.#shapes.get(point.severity)?.cloneNode(true) ?? "");
      slot(element, "title").textContent = slot(element, "title").title = point.title;
      slot(element, "place").textContent = this.#wards.get(point.ward ?? "") ?? "";
      slot(element, "detail").textContent = point.detail;
      slot(element, "doubt").hidden = !point.doubt;
      slot(element, "doubt-words").textContent = point.doubt;
      const fresh = slot(element, "freshness");
      fresh.className = `chip chip-${point.freshness}`;
      fresh.textContent = point.freshness === "fresh" ? "" : (this.#words[point.freshness] ?? "");
      slot(element, "level").replaceChildren(levelPill(point.label, point.colour, point.ink));
      row.point = point;
    }
    return element;
  }

  #key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || (event.target as HTMLElement).closest("input, textarea, select")) return;
    if (event.key !== "j" && event.key !== "k") return;
    const shown = this.#root.querySelector<HTMLElement>("[data-list]:not([hidden]) .work-items") ?? this.#items;
    const links = [...shown.querySelectorAll("a")];
    const now = links.indexOf((document.activeElement as HTMLAnchorElement | null)!);
    const from = now >= 0 ? now : links.findIndex((link) => link.hasAttribute("aria-current"));
    const next = event.key === "j" ? Math.min(from + 1, links.length - 1) : Math.max(from - 1, 0);
    links[next]?.focus();
    event.preventDefault();
  }
}

export function part(root: ParentNode, name: string): HTMLElement {
  const found = root.querySelector<HTMLElement>(`[data-part="${name}"]`);
  if (!found) throw new Error(`the page has no part ${name}`);
  return found;
}

function slot(root: ParentNode, name: string): HTMLElement {
  return root.querySelector<HTMLElement>(`[data-slot="${name}"]`)!;
}
