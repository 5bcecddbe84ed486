// Parts of a photo are blacked out by drawing: what is drawn becomes the numbers of the form, and the numbers are drawn.
import "./blackout.css";
import { part } from "./list";
import { say, type Words } from "./model";

const WHOLE = 1000;
const LEAST = 8; // thousandths: less is a slip of the finger
const FIELDS = ["left", "top", "width", "height"] as const;
const NS = "http://www.w3.org/2000/svg";
type Box = [number, number, number, number];

class Blackout extends HTMLElement {
  #words: Words = {};
  #view!: SVGSVGElement;
  #from: [number, number] | null = null;
  #now: SVGRectElement | null = null;

  connectedCallback(): void {
    this.#words = JSON.parse(this.dataset["words"] ?? "{}") as Words;
    this.#view = part(this, "view") as unknown as SVGSVGElement;
    this.#view.classList.add("blackout-draws");
    part(this, "draw").hidden = false;
    this.#view.addEventListener("pointerdown", (event) => this.#begin(event));
    this.#view.addEventListener("pointermove", (event) => this.#draw(event));
    this.#view.addEventListener("pointerup", (event) => this.#end(event));
    this.#view.addEventListener("pointercancel", () => this.#stop());
    this.addEventListener("input", () => this.#show());
    this.addEventListener("click", (event) => {
      const button = (event.target as HTMLElement).closest("[data-drop]");
      if (button) this.#drop(button.closest<HTMLElement>(".blackout-row")!);
    });
    this.#show();
  }

  // Drawing

  #begin(event: PointerEvent): void {
    if (!event.isPrimary || event.button !== 0) return;
    event.preventDefault();
    this.#view.setPointerCapture(event.pointerId);
    this.#from = this.#at(event);
    this.#now = document.createElementNS(NS, "rect");
    this.#now.classList.add("blackout-now");
    part(this, "sheet").append(this.#now);
  }

  #draw(event: PointerEvent): void {
    if (this.#from && this.#now && event.isPrimary) place(this.#now, between(this.#from, this.#at(event)));
  }

  #end(event: PointerEvent): void {
    if (!this.#from || !event.isPrimary) return;
    const box = between(this.#from, this.#at(event));
    this.#stop();
    if (box[2] >= LEAST && box[3] >= LEAST) this.#add(box);
  }

  #stop(): void {
    this.#from = null;
    this.#now?.remove();
    this.#now = null;
  }

  /** Where a pointer is, in thousandths of the picture, never outside it. */
  #at(event: PointerEvent): [number, number] {
    const box = part(this, "picture").getBoundingClientRect();
    const within = (value: number): number => Math.round(Math.min(1, Math.max(0, value)) * WHOLE);
    return [within((event.clientX - box.left) / box.width), within((event.clientY - box.top) / box.height)];
  }

  // Numbers

  get #rows(): HTMLElement[] {
    return [...this.querySelectorAll<HTMLElement>(".blackout-row")];
  }

  #add(box: Box): void {
    let row = this.#rows.find((one) => inputs(one).every((input) => !input.value));
    if (!row) {
      row = this.#rows[0]!.cloneNode(true) as HTMLElement;
      part(this, "rows").append(row);
    }
    inputs(row).forEach((input, index) => (input.value = String(box[index]! / 10)));
    this.#show();
    this.#say("added", row);
  }

  #drop(row: HTMLElement): void {
    for (const input of inputs(row)) input.value = "";
    this.#show();
    this.#say("dropped", row);
    inputs(row)[0]!.focus();
  }

  #show(): void {
    const drawn: SVGRectElement[] = [];
    for (const row of this.#rows) {
      const box = inputs(row).map((input) => Number.parseFloat(input.value.replace(",", ".")) * 10);
      row.querySelector<HTMLElement>("[data-drop]")!.hidden = inputs(row).every((input) => !input.value);
      if (!box.every(Number.isFinite)) continue;
      const rect = document.createElementNS(NS, "rect");
      place(rect, box as Box);
      drawn.push(rect);
    }
    part(this, "boxes").replaceChildren(...drawn);
  }

  #say(word: string, row: HTMLElement): void {
    part(this, "said").textContent = say(this.#words[word], { number: this.#rows.indexOf(row) + 1 });
  }
}

function inputs(row: HTMLElement): HTMLInputElement[] {
  return FIELDS.map((name) => row.querySelector<HTMLInputElement>(`input[name=${name}]`)!);
}

function between([x, y]: [number, number], [to, down]: [number, number]): Box {
  return [Math.min(x, to), Math.min(y, down), Math.abs(x - to), Math.abs(y - down)];
}

function place(rect: SVGRectElement, box: Box): void {
  ["x", "y", "width", "height"].forEach((name, index) => rect.setAttribute(name, String(Math.max(0, box[index]!))));
}

customElements.define("dt-blackout", Blackout);
