// What is left of a promise: counts down in the city's own time, the same words as src/dothi/web/incidents/look.py writes.
const DAY = 86_400;

/** `12:40`, `5:20:00`, or days and hours from a day on. */
export function leftWords(seconds: number, days: string, hours: string): string {
  const whole = Math.floor(Math.abs(seconds));
  const two = (value: number): string => String(value).padStart(2, "0");
  if (whole >= DAY) {
    const rest = Math.floor((whole % DAY) / 3600);
    return `${Math.floor(whole / DAY)} ${days}${rest ? ` ${rest} ${hours}` : ""}`;
  }
  const hour = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return hour ? `${hour}:${two(minutes)}:${two(whole % 60)}` : `${two(minutes)}:${two(whole % 60)}`;
}

const LAST = 0.8; // the last fifth warns

class Left extends HTMLElement {
  #timer = 0;

  connectedCallback(): void {
    if (this.dataset["running"] !== "1") return;
    const left = Number(this.dataset["left"]);
    const total = Number(this.dataset["total"]);
    const speed = Number(document.querySelector<HTMLElement>("dt-clock")?.dataset["speed"] ?? 1);
    const began = performance.now();
    const words = this.querySelector<HTMLElement>("[data-part=left]");
    const over = this.querySelector<HTMLElement>("[data-part=over]");
    if (!words || !Number.isFinite(left)) return;
    const tick = (): void => {
      const rest = left - ((performance.now() - began) / 1000) * speed;
      const text = leftWords(rest, this.dataset["days"] ?? "", this.dataset["hours"] ?? "");
      if (words.textContent === text) return;
      words.textContent = text;
      const used = Math.min(1, 1 - rest / total);
      const state = rest <= 0 ? "over" : used >= LAST ? "last" : "on";
      if (this.dataset["state"] !== state) this.dataset["state"] = state;
      if (over) over.hidden = rest > 0;
      const bar = this.dataset["bar"] ? this.closest("[data-code]")?.querySelector<SVGElement>(".left-bar") : null;
      if (!bar) return;
      bar.dataset["state"] = state;
      bar.querySelector(".left-used")?.setAttribute("width", `${(used * 100).toFixed(2)}%`);
    };
    this.#timer = window.setInterval(tick, 1000);
  }

  disconnectedCallback(): void {
    window.clearInterval(this.#timer);
  }
}

customElements.define("dt-left", Left);
