// Asking in SQL with a script: Ctrl+Enter, names by click, an answer without a new page, and a question that can be stopped.
import "./lines";
import "./places";
import "./charts.css";
import "./sql.css";
import { part } from "./list";

const SHORT = 1500; // letters of a question that still fit into an address

class Sql extends HTMLElement {
  #asking: AbortController | null = null;
  #timer = 0;

  connectedCallback(): void {
    this.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.target !== this.#question) return;
      event.preventDefault();
      this.#form.requestSubmit(this.querySelector<HTMLButtonElement>("[data-run]"));
    });
    this.addEventListener("click", (event) => {
      const target = event.target as HTMLElement;
      const name = target.closest<HTMLElement>("[data-insert]")?.dataset["insert"];
      if (name) this.#insert(name);
      if (target.closest("[data-stop]")) this.#asking?.abort();
    });
    this.#form.addEventListener("submit", (event) => {
      const button = event.submitter as HTMLButtonElement | null;
      if (button && !button.hasAttribute("data-run")) return;
      event.preventDefault();
      void this.#ask();
    });
  }

  disconnectedCallback(): void {
    this.#asking?.abort();
  }

  get #form(): HTMLFormElement {
    return this.querySelector<HTMLFormElement>("#ask")!;
  }

  get #question(): HTMLTextAreaElement {
    return this.querySelector<HTMLTextAreaElement>("#question")!;
  }

  #insert(name: string): void {
    const { selectionStart: start, value } = this.#question;
    const before = start > 0 && /[\w"]$/.test(value.slice(0, start)) ? " " : "";
    this.#question.focus();
    this.#question.setRangeText(`${before}${name}`, start, this.#question.selectionEnd, "end");
  }

  async #ask(): Promise<void> {
    this.#asking?.abort();
    const asking = (this.#asking = new AbortController());
    const view = this.querySelector<HTMLInputElement>("input[name=shown]:checked")?.value;
    const form = new FormData(this.#form);
    if (view) form.set("view", view);
    this.#wait(true);
    try {
      const answer = await fetch("/data/sql", { method: "POST", body: form, signal: asking.signal, headers: { accept: "text/html" } });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#answer");
      if (!fresh) throw new Error(`answer: ${answer.status}`);
      this.querySelector("#answer")!.replaceWith(document.importNode(fresh, true));
      const text = this.#question.value.trim();
      const address = text.length <= SHORT ? `?${new URLSearchParams({ q: text, ...(view ? { view } : {}) })}` : "";
      history.replaceState(null, "", `/data/sql${address}`);
      this.#wait(false);
    } catch (error) {
      if (this.#asking !== asking) return;
      if (!asking.signal.aborted) console.warn(error);
      this.#wait(false, asking.signal.aborted ? this.dataset["stopped"] : this.dataset["failed"]);
    }
  }

  #wait(running: boolean, words = ""): void {
    window.clearInterval(this.#timer);
    const box = part(this, "running");
    box.hidden = !running && !words;
    box.querySelector<HTMLElement>("[data-stop]")!.hidden = !running;
    part(this, "words").textContent = words;
    if (!running) return;
    const began = performance.now();
    const tick = (): void => {
      const seconds = String(Math.floor((performance.now() - began) / 1000));
      part(this, "words").textContent = (this.dataset["running"] ?? "").replace("{seconds}", seconds);
    };
    tick();
    this.#timer = window.setInterval(tick, 1000);
  }
}

customElements.define("dt-sql", Sql);
