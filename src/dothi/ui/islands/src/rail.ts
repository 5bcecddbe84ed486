// The rail of the time bar as an SVG: the city's hours in their colours, the hours over a limit above them, the playhead.
import { zoned } from "./time";

export interface Block {
  x: number; // % of the width
  width: number;
  at: string;
  label: string | null;
  colour: string;
  ink: string;
  detail: string;
  severity: number;
}

export interface Bar {
  span: string;
  start: string;
  end: string;
  blocks: Block[];
  labels: { x: number; words: string; at: string; day: boolean; six: boolean }[];
  began: string | null;
}

function make(name: string, attributes: Record<string, string | number>, text?: string): SVGElement {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  if (text !== undefined) element.textContent = text;
  return element;
}

/** Where a moment lies on the bar, in % of its width; below 0 or above 100 outside it. */
export function placeOf(bar: Bar, at: number): number {
  const start = Date.parse(bar.start);
  return ((at - start) / (Date.parse(bar.end) - start)) * 100;
}

/** Draw the hours; the same as the server draws, without its links: the rail itself is the control. */
export function drawHours(drawing: Element, bar: Bar, nothing: string): void {
  const shapes: SVGElement[] = [];
  for (const { x, width, at, label, colour, ink, detail, severity } of bar.blocks) {
    const block = make("g", { class: label === null ? "block block-none" : "block" });
    const { hour, day } = zoned(Date.parse(at));
    block.append(make("title", {}, `${hour} ${day} · ${detail || nothing}`));
    block.append(make("rect", { x: `${x}%`, y: 13, width: `${width}%`, height: 26, ...(label === null ? {} : { fill: colour }) }));
    if (severity) {
      block.append(make("rect", { class: `over over-${severity}`, x: `${x}%`, y: 10 - 2 * severity, width: `${width}%`, height: 2 * severity }));
    }
    if (bar.span === "24h" && label !== null) block.append(make("text", { x: `${x + width / 2}%`, y: 30, fill: ink }, label));
    shapes.push(block);
  }
  drawing.classList.toggle("rail-24h", bar.span === "24h");
  for (const { x, words, day, six } of bar.labels) {
    shapes.push(make("line", { class: day ? "hour-line day-line" : "hour-line", x1: `${x}%`, x2: `${x}%`, y1: 39, y2: 44 }));
    shapes.push(make("text", { class: `hour${day ? " day" : ""}${six ? " six" : ""}`, x: `${x}%`, y: 54 }, words));
  }
  shapes.push(make("rect", { class: "veil", y: 3, height: 38, x: "100%", width: "0%" }));
  shapes.push(make("line", { class: "playhead", y1: 4, y2: 44 }), make("circle", { class: "knob", cy: 7, r: 7 }));
  drawing.replaceChildren(...shapes);
}

/** Put the playhead at a moment; what the city says of the time after it is veiled. */
export function drawPlayhead(drawing: Element, bar: Bar, at: number, past: boolean): void {
  const place = placeOf(bar, at);
  const x = `${Math.min(Math.max(place, 0), 100)}%`;
  const [head, knob, veil] = ["playhead", "knob", "veil"].map((name) => drawing.querySelector(`.${name}`));
  head?.setAttribute("x1", x);
  head?.setAttribute("x2", x);
  knob?.setAttribute("cx", x);
  veil?.setAttribute("x", x);
  veil?.setAttribute("width", past ? `${Math.max(0, 100 - place)}%` : "0%");
  drawing.classList.toggle("rail-past", past);
}
