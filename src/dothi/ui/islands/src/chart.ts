// A chart of one series: the line, its thresholds, and the value under the pointer. The table behind it is the server's.
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { zoned } from "./time";

interface Threshold {
  value: number;
  label: string;
  colour: string; // an official one, with the ink readable on it; neither for a line that only says its label
  ink: string;
}

interface Series {
  t: number[];
  v: number[];
  from: number;
  to: number;
  unit: string;
  title: string;
  thresholds: Threshold[];
  language: string;
}

const HEIGHT = 148;
const FONT = "11px 'Be Vietnam Pro', sans-serif";
const ZONE = "Asia/Ho_Chi_Minh";

export class Chart extends HTMLElement {
  #plot: uPlot | null = null;
  #watch: ResizeObserver | null = null;
  #series: Series | null = null;
  #dark = window.matchMedia("(prefers-color-scheme: dark)");
  #redraw = (): void => this.#draw();

  connectedCallback(): void {
    this.update(this);
    // The axes are drawn on a canvas: once more when their font has come.
    void document.fonts.load(FONT).then(() => this.#draw());
    this.#dark.addEventListener("change", this.#redraw);
  }

  disconnectedCallback(): void {
    this.#dark.removeEventListener("change", this.#redraw);
    this.#watch?.disconnect();
    this.#plot?.destroy();
    this.#plot = null;
  }

  /** Take the data that `from` carries and draw it. */
  update(from: Element): void {
    const text = from.querySelector("script[type='application/json']")?.textContent;
    if (!text) return;
    this.#series = JSON.parse(text) as Series;
    this.#draw();
  }

  #draw(): void {
    const series = this.#series;
    this.#plot?.destroy();
    this.#watch?.disconnect();
    this.#plot = null;
    if (!this.isConnected) return;
    if (!series || series.t.length === 0) {
      this.classList.add("chart-none");
      return;
    }
    this.classList.remove("chart-none");
    const styles = getComputedStyle(this);
    const token = (name: string): string => styles.getPropertyValue(`--${name}`).trim();
    const format = new Intl.NumberFormat(series.language, { maximumFractionDigits: 1 });
    let readout = this.querySelector(".chart-readout");
    if (!readout) this.prepend((readout = Object.assign(document.createElement("p"), { className: "chart-readout" })));
    const say = (place: number | null | undefined): void => {
      const at = place ?? times.length - 1;
      const value = values[at];
      readout!.textContent = value == null ? "" : `${zoned(times[at]! * 1000).hour} · ${format.format(value)} ${series.unit}`.trim();
    };
    const [times, values] = withGaps(series.t, series.v);
    const highest = Math.max(...series.v, ...series.thresholds.map(({ value }) => value).filter((value) => value < Math.max(...series.v) * 1.8));
    const lowest = Math.min(0, ...series.v);
    const axis = { stroke: token("second"), font: FONT, grid: { stroke: token("line"), width: 1 }, ticks: { show: false } } as const;
    this.#plot = new uPlot(
      {
        width: this.clientWidth || 300,
        height: HEIGHT,
        padding: [8, 6, 0, 0],
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), ZONE),
        legend: { show: false },
        cursor: { points: { size: 7 }, drag: { x: false, y: false } },
        scales: { x: { range: [series.from, series.to] }, y: { range: [lowest, highest * 1.08 || 1] } },
        axes: [
          { ...axis, space: 56, size: 24, gap: 4, values: (_plot, ticks) => ticks.map((tick) => zoned(tick * 1000).hour) },
          { ...axis, size: 38, gap: 4, space: 32, values: (_plot, ticks) => ticks.map((tick) => format.format(tick)) },
        ],
        series: [{}, { stroke: token("ink"), width: 1.75, points: { show: times.length < 3 }, spanGaps: false }],
        hooks: {
          draw: [
            (plot) => drawThresholds(plot, series.thresholds, { line: token("third"), paper: token("card") }),
          ],
          setCursor: [(plot) => say(plot.cursor.idx)],
        },
      },
      [times, values],
      this,
    );
    this.#plot.root.setAttribute("aria-hidden", "true");
    say(null);
    this.#watch = new ResizeObserver(() => {
      if (this.#plot && this.clientWidth) this.#plot.setSize({ width: this.clientWidth, height: HEIGHT });
    });
    this.#watch.observe(this);
  }
}

/** Each threshold as a dashed line in the colour of what begins there, with its name on a label of that colour. */
function drawThresholds(plot: uPlot, thresholds: Threshold[], plain: { line: string; paper: string }): void {
  const { ctx, bbox } = plot;
  const dot = devicePixelRatio;
  const high = 15 * dot;
  let lowest = Infinity;
  ctx.save();
  ctx.font = FONT.replace("11px", `${10.5 * dot}px`);
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  for (const { value, label, colour, ink } of [...thresholds].sort((one, other) => one.value - other.value)) {
    const y = Math.round(plot.valToPos(value, "y", true));
    if (y < bbox.top || y > bbox.top + bbox.height) continue;
    for (const [style, width] of [[plain.line, colour ? 2.75 : 1.25], [colour, 1.5]] as const) {
      if (!style) continue;
      ctx.strokeStyle = style;
      ctx.lineWidth = width * dot;
      ctx.setLineDash(colour ? [] : [4 * dot, 3 * dot]);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
    }
    const wide = ctx.measureText(label).width + 10 * dot;
    const top = Math.max(bbox.top, y - high - 2 * dot);
    if (top + high > lowest) continue; // no room: the table below names it
    lowest = top;
    ctx.fillStyle = colour || plain.paper;
    ctx.beginPath();
    ctx.roundRect(bbox.left + 4 * dot, top, wide, high, 5 * dot);
    ctx.fill();
    ctx.fillStyle = ink || plain.line;
    ctx.fillText(label, bbox.left + 9 * dot, top + high / 2 + 0.5 * dot);
  }
  ctx.restore();
}

/** The series with a break wherever nothing was heard for more than three times the usual pause. */
export function withGaps(times: number[], values: number[]): [number[], (number | null)[]] {
  const pauses = times.slice(1).map((time, place) => time - times[place]!).sort((one, other) => one - other);
  const usual = pauses[Math.floor(pauses.length / 2)] ?? 0;
  const at: number[] = [];
  const found: (number | null)[] = [];
  times.forEach((time, place) => {
    const before = times[place - 1];
    if (before !== undefined && usual > 0 && time - before > 3 * usual) {
      at.push(before + usual);
      found.push(null);
    }
    at.push(time);
    found.push(values[place]!);
  });
  return [at, found];
}

customElements.define("dt-chart", Chart);
