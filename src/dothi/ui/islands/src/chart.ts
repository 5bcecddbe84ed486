// A chart of one series: the line, its thresholds, the dashed hours to come with their band, and the value under the pointer.
// The tables behind it are the server's.
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { zoned } from "./time";

interface Threshold {
  value: number;
  label: string;
  colour: string; // an official one, with the ink readable on it; neither for a line that only says its label
  ink: string;
}

interface Ahead {
  t: number[];
  v: number[];
  low: (number | null)[];
  high: (number | null)[];
  now: number; // when it was said
  word: string;
}

interface Series {
  ahead?: Ahead;
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
    if (!series || (series.t.length === 0 && !series.ahead)) {
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
      const at = place ?? lastKnown;
      const [value, said, low, high] = [values[at], coming[at], lows[at], highs[at]];
      const told = [];
      if (value != null) told.push(format.format(value));
      if (said != null) {
        const band = low != null && high != null ? ` (${format.format(low)}–${format.format(high)})` : "";
        told.push(`${series.ahead!.word} ${format.format(said)}${band}`);
      }
      readout!.textContent = told.length ? `${when(times[at]!, true)} · ${told.join(" · ")} ${series.unit}`.trim() : "";
    };
    const past = withGaps(series.t, series.v);
    const { ahead } = series;
    const columns = ahead ? uPlot.join([past, [ahead.t, ahead.v, ahead.low, ahead.high]]) : past;
    const times = columns[0] as number[];
    const [values = [], coming = [], lows = [], highs = []] = columns.slice(1) as (number | null | undefined)[][];
    const lastKnown = values.reduce<number>((last, value, place) => (value == null ? last : place), times.length - 1);
    const all = [...series.v, ...(ahead ? [...ahead.v, ...ahead.high.filter((value) => value !== null)] : [])];
    const top = Math.max(...all);
    const highest = Math.max(top, ...series.thresholds.map(({ value }) => value).filter((value) => value < top * 1.8));
    const lowest = Math.min(0, ...all);
    // Days need their date; where there are only days, their hours say nothing.
    const days = series.to - series.from > 48 * 3600;
    const when = (seconds: number, exact: boolean): string => {
      const { hour, day } = zoned(seconds * 1000);
      return days ? `${exact ? `${hour} ` : ""}${day.slice(0, 5)}` : hour;
    };
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
          { ...axis, space: 56, size: 24, gap: 4, values: (_plot, ticks) => ticks.map((tick) => when(tick, false)) },
          { ...axis, size: 38, gap: 4, space: 32, values: (_plot, ticks) => ticks.map((tick) => format.format(tick)) },
        ],
        series: [
          {},
          { stroke: token("ink"), width: 1.75, points: { show: series.t.length < 3 }, spanGaps: false },
          ...(ahead
            ? [
                { stroke: token("jade"), width: 1.75, dash: [5, 4], points: { show: false } },
                { stroke: "transparent", width: 0, points: { show: false } },
                { stroke: "transparent", width: 0, points: { show: false } },
              ]
            : []),
        ],
        bands: ahead ? [{ series: [4, 3], fill: `${token("jade")}26` }] : [],
        hooks: {
          draw: [
            (plot) => ahead && drawNow(plot, ahead.now, token("third")),
            (plot) => drawThresholds(plot, series.thresholds, { line: token("third"), paper: token("card") }),
          ],
          setCursor: [(plot) => say(plot.cursor.idx)],
        },
      },
      columns as uPlot.AlignedData,
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

/** Where the forecast begins. */
function drawNow(plot: uPlot, at: number, colour: string): void {
  const { ctx, bbox } = plot;
  const x = Math.round(plot.valToPos(at, "x", true));
  if (x < bbox.left || x > bbox.left + bbox.width) return;
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
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
