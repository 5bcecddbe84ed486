// What every work page does with a script: the clock runs, "/" goes to the search field, "?" to the help, j and k walk lists.
import "./refresh";
import { zoned } from "./time";

class Clock extends HTMLElement {
  #timer = 0;

  connectedCallback(): void {
    const start = Date.parse(this.dataset["now"] ?? "");
    const speed = Number(this.dataset["speed"] ?? 1);
    const end = this.dataset["end"] ? Date.parse(this.dataset["end"]) : Infinity;
    const time = this.querySelector<HTMLElement>("[data-part=time]");
    const began = performance.now();
    const tick = (): void => {
      const now = Math.min(end, start + (performance.now() - began) * speed);
      this.dataset["at"] = String(now); // cityTime reads it
      if (time) time.textContent = zoned(now).clock;
    };
    tick();
    this.#timer = window.setInterval(tick, 1000);
  }

  disconnectedCallback(): void {
    window.clearInterval(this.#timer);
  }
}
customElements.define("dt-clock", Clock);

document.addEventListener("keydown", (event) => {
  const target = event.target as HTMLElement;
  if (event.ctrlKey || event.metaKey || event.altKey || target.closest("input, textarea, select")) return;
  if (event.key === "/") document.querySelector<HTMLInputElement>("#search")?.focus();
  else if (event.key === "?") document.querySelector<HTMLElement>("#help")?.togglePopover();
  else if (!walk(event.key)) return;
  event.preventDefault();
});

/** j and k: to the next or the previous link of the page's list. */
function walk(key: string): boolean {
  if (key !== "j" && key !== "k") return false;
  const links = [...document.querySelectorAll<HTMLElement>("[data-walk] tbody th a")];
  const now = links.indexOf(document.activeElement as HTMLElement);
  links[key === "j" ? Math.min(now + 1, links.length - 1) : Math.max(now - 1, 0)]?.focus();
  return links.length > 0;
}

// Whoever signs out leaves no list of theirs on the phone (page-worker.ts keeps it).
document.querySelector<HTMLFormElement>('form[action="/sign-out"]')?.addEventListener("submit", () => {
  if ("caches" in window) void caches.delete("dothi-mine");
});

for (const form of document.querySelectorAll<HTMLFormElement>("form[data-submit-on-change]")) {
  form.addEventListener("change", () => form.requestSubmit());
}
for (const all of document.querySelectorAll<HTMLInputElement>("input[data-check-all]")) {
  all.addEventListener("change", () => {
    const boxes = all.form?.querySelectorAll<HTMLInputElement>(`input[name="${all.dataset["checkAll"]}"]`) ?? [];
    for (const box of boxes) box.checked = all.checked;
  });
}
