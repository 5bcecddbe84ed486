// A part of a page that keeps itself up to date: it asks for its own page again and takes over what changed.
// What holds the focus gets it back, opened details stay open, and a hidden tab asks for nothing. What the stream tells of
// (`data-follow`) is looked at when it changed, and only now and then (`data-every`) without news.
import { follow } from "./live";

const REST = 1000; // milliseconds between two looks, however much changes

class Refresh extends HTMLElement {
  #timer = 0;
  #looked = 0;
  #last = "";
  #unfollow: (() => void) | null = null;

  connectedCallback(): void {
    this.#wait();
    const wanted = this.dataset["follow"];
    if (!wanted) return;
    this.#unfollow = follow(`/live?layers=none&lang=${document.documentElement.lang}`, (message) => {
      if (message.kind === "lost") this.setAttribute("data-late", "");
      if (message.kind === wanted || message.kind === "hello" || message.kind === "reload") this.#soon();
    });
  }

  disconnectedCallback(): void {
    window.clearTimeout(this.#timer);
    this.#unfollow?.();
  }

  #soon(): void {
    window.clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => void this.#look(), Math.max(50, this.#looked + REST - performance.now()));
  }

  #wait(): void {
    const every = Number(this.dataset["every"] ?? 0);
    if (every > 0 && this.isConnected) this.#timer = window.setTimeout(() => void this.#look(), every);
  }

  async #look(): Promise<void> {
    this.#looked = performance.now();
    if (!document.hidden) {
      try {
        const answer = await fetch(location.href, { headers: { accept: "text/html" } });
        if (!answer.ok) throw new Error(String(answer.status));
        this.#take(new DOMParser().parseFromString(await answer.text(), "text/html"));
        this.removeAttribute("data-late");
      } catch {
        this.setAttribute("data-late", "");
      }
    }
    this.#wait();
  }

  #take(page: Document): void {
    const fresh = page.querySelector<HTMLElement>("dt-refresh");
    if (!fresh) return;
    this.dataset["every"] = fresh.dataset["every"] ?? "0";
    // Each page masks its form token anew; any of them is good, and with ours an unchanged page is unchanged.
    const token = this.querySelector("input[name=csrf_token]")?.getAttribute("value");
    if (token) for (const field of fresh.querySelectorAll("input[name=csrf_token]")) field.setAttribute("value", token);
    const held = document.activeElement;
    // What somebody has ticked or written and not yet sent stays.
    const fields = [...this.querySelectorAll<HTMLInputElement | HTMLTextAreaElement>("input, textarea")];
    if (fields.some((one) => one.value !== one.defaultValue || ("checked" in one && one.checked !== one.defaultChecked))) return;
    if (fresh.innerHTML === this.#last || (held?.matches("select, input, textarea") && this.contains(held))) return;
    this.#last = fresh.innerHTML;
    const focused = held && this.contains(held) ? finder(held) : null;
    const place = focused ? [...this.querySelectorAll(focused)].indexOf(held as Element) : 0;
    const open = [...this.querySelectorAll("details")].map((one) => one.open);
    this.replaceChildren(...[...fresh.childNodes].map((one) => document.adoptNode(one)));
    this.querySelectorAll("details").forEach((one, number) => (one.open = open[number] ?? one.open));
    if (focused) this.querySelectorAll<HTMLElement>(focused)[place]?.focus({ preventScroll: true });
  }
}
customElements.define("dt-refresh", Refresh);

/** A selector by which what has the focus is found again, perhaps among others. */
function finder(held: Element): string {
  if (held.id) return `#${CSS.escape(held.id)}`;
  return `${held.localName}[href="${CSS.escape(held.getAttribute("href") ?? "")}"]`;
}
