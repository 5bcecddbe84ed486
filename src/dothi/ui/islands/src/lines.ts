// Several series over time on one chart: what an answer holds, without knowing what it means.
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { zoned } from "./time";

interface Lines {
  language: string;
  unit: string;
  t: number[];
  series: { name: string; v: (number | null)[] }[];
}

const HEIGHT = 340;
const DAY = 86_400;
const FONT = "11px 'Be Vietnam Pro', sans-serif";
const ZONE = "Asia/Ho_Chi_Minh";
// Told apart by people who see few colours (Okabe and Ito 2008), the light yellow left out.
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a6a00", "#767676"];

class LinesChart extends HTMLElement {
  #plot: uPlot | null = null;
  #watch: ResizeObserver | null = null;
  #dark = window.matchMedia("(prefers-color-scheme: dark)");
  #redraw = (): void => this.#draw();

  connectedCallback(): void {
    this.#draw();
    void document.fonts.load(FONT).then(this.#redraw);
    this.#dark.addEventListener("change", this.#redraw);
  }

  disconnectedCallback(): void {
    this.#dark.removeEventListener("change", this.#redraw);
    this.#watch?.disconnect();
    this.#plot?.destroy();
    this.#plot = null;
  }

  #draw(): void {
    this.#plot?.destroy();
    this.#watch?.disconnect();
    this.querySelector("ul")?.remove();
    const text = this.querySelector("script[type='application/json']")?.textContent;
    if (!text || !this.isConnected) return;
    const { language, t, series, unit } = JSON.parse(text) as Lines;
    const token = (name: string): string => getComputedStyle(this).getPropertyValue(`--${name}`).trim();
    const format = new Intl.NumberFormat(language, { maximumFractionDigits: 2 });
    const long = t[t.length - 1]! - t[0]! > 2 * DAY;
    const axis = { stroke: token("second"), font: FONT, grid: { stroke: token("line"), width: 1 }, ticks: { show: false } } as const;
    const names = this.#names(series, unit);
    const say = (place: number | null | undefined): void => names(place ?? null, t, format);
    this.#plot = new uPlot(
      {
        width: this.clientWidth || 600,
        height: HEIGHT,
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), ZONE),
        legend: { show: false },
        cursor: { points: { size: 7 }, drag: { x: false, y: false } },
        axes: [
          { ...axis, space: 64, size: 26, values: (_plot, ticks) => ticks.map((tick) => (long ? zoned(tick * 1000).day.slice(0, 5) : zoned(tick * 1000).hour)) },
          { ...axis, size: 52, space: 36, values: (_plot, ticks) => ticks.map((tick) => format.format(tick)) },
        ],
        series: [{}, ...series.map((_, place) => ({ stroke: COLOURS[place % COLOURS.length]!, width: 1.75, spanGaps: true, points: { show: t.length < 60, size: 4 } }))],
        hooks: { setCursor: [(plot) => say(plot.cursor.idx)] },
      },
      [t, ...series.map(({ v }) => v)],
      this,
    );
    this.#plot.root.setAttribute("aria-hidden", "true");
    this.#watch = new ResizeObserver(() => {
      if (this.#plot && this.clientWidth) this.#plot.setSize({ width: this.clientWidth, height: HEIGHT });
    });
    this.#watch.observe(this);
  }

  /** The names of the lines below the chart; with a moment chosen, their values then. */
  #names(series: Lines["series"], unit: string): (place: number | null, t: number[], format: Intl.NumberFormat) => void {
    const list = Object.assign(document.createElement("ul"), { className: "sql-lines-names" });
    const values = series.map(({ name }, place) => {
      const item = document.createElement("li");
      item.innerHTML = `<svg width="14" height="4" aria-hidden="true"><rect width="14" height="4" rx="2" fill="${COLOURS[place % COLOURS.length]!}"/></svg>`;
      const value = Object.assign(document.createElement("b"), { className: "number" });
      item.append(`${name} `, value);
      list.append(item);
      return value;
    });
    const when = Object.assign(document.createElement("li"), { className: "second" });
    when.textContent = unit;
    list.append(when);
    this.append(list);
    return (place, t, format) => {
      when.textContent = place === null ? unit : `${zoned(t[place]! * 1000).hour} ${zoned(t[place]! * 1000).day}`;
      values.forEach((value, line) => {
        const found = place === null ? null : series[line]!.v[place];
        value.textContent = found == null ? "" : format.format(found);
      });
    };
  }
}

customElements.define("dt-lines", LinesChart);
