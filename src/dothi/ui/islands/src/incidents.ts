// The pages of incidents with a script: what others do appears by itself, what is being written stays.
import "./incidents.css";
import "./charts";
import "./left";
import { follow } from "./live";

const REST = 1500; // milliseconds between two looks, however much changes
const LONG = 30_000; // without any news the page looks by itself: ages grow

class Work extends HTMLElement {
  #timer = 0;
  #looked = 0;
  #looks = 0;
  #shown = 0;
  #unfollow: (() => void) | null = null;

  connectedCallback(): void {
    const code = this.dataset["code"];
    this.#unfollow = follow(`/live?layers=none&lang=${document.documentElement.lang}`, (message) => {
      if (message.kind === "lost") this.setAttribute("data-late", "");
      else if (message.kind === "incidents" && (!code || message.data.codes.includes(code))) this.#soon();
      else if (message.kind === "hello" || message.kind === "reload") this.#soon();
    });
    window.setInterval(() => {
      if (!document.hidden && performance.now() - this.#looked > LONG) this.#soon();
    }, LONG / 2);
    document.addEventListener("keydown", (event) => this.#key(event));
    const open = location.hash ? document.querySelector<HTMLDetailsElement>(`details${CSS.escape(location.hash).replace("\\#", "#")}`) : null;
    if (open) open.open = true;
  }

  disconnectedCallback(): void {
    this.#unfollow?.();
    window.clearTimeout(this.#timer);
  }

  #soon(): void {
    if (this.#timer) return;
    this.#timer = window.setTimeout(() => {
      this.#timer = 0; // what changes while it looks is looked at again
      void this.#look();
    }, Math.max(50, this.#looked + REST - performance.now()));
  }

  /** Take over the parts that changed. A form that somebody began to fill keeps the version that was looked at. */
  async #look(): Promise<void> {
    this.#looked = performance.now();
    const turn = ++this.#looks;
    const answer = await fetch(location.href, { headers: { accept: "text/html" } }).catch(() => null);
    this.toggleAttribute("data-late", !answer?.ok);
    if (!answer?.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (turn < this.#shown) return; // a later look came back sooner
    this.#shown = turn;
    const token = this.querySelector("input[name=csrf_token]")?.getAttribute("value");
    if (token) for (const field of fresh.querySelectorAll("input[name=csrf_token]")) field.setAttribute("value", token);
    const [whole, then] = [this, fresh].map((one) => one.querySelector<HTMLElement>("[data-whole]"));
    if (whole && then && !whole.querySelector("[data-live]") !== !then.querySelector("[data-live]")) {
      whole.replaceChildren(...[...then.childNodes].map((one) => document.adoptNode(one))); // the first row came, or the last went
    }
    for (const old of this.querySelectorAll<HTMLElement>("[data-live]")) {
      const found = fresh.querySelector<HTMLElement>(`[data-live="${CSS.escape(old.dataset["live"]!)}"]`);
      if (!found || old.innerHTML === found.innerHTML) continue;
      const picked = new Set([...old.querySelectorAll<HTMLInputElement>("input[name=pick]:checked")].map((one) => one.value.split("@")[0]));
      const held = document.activeElement instanceof HTMLElement && old.contains(document.activeElement) ? document.activeElement : null;
      const mark = held?.closest<HTMLElement>("[data-code]")?.dataset["code"];
      old.replaceChildren(...[...found.childNodes].map((one) => document.adoptNode(one)));
      for (const box of old.querySelectorAll<HTMLInputElement>("input[name=pick]")) box.checked = picked.has(box.value.split("@")[0]);
      if (mark) old.querySelector<HTMLElement>(`[data-code="${CSS.escape(mark)}"] ${held!.localName}`)?.focus({ preventScroll: true });
    }
    const version = fresh.querySelector<HTMLInputElement>("input[name=version]")?.value;
    if (!version || !this.dataset["code"]) return;
    for (const field of this.querySelectorAll<HTMLInputElement>("input[name=version]")) {
      if (field.form && !begun(field.form)) field.value = version;
    }
  }

  #key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || (event.target as HTMLElement).closest("input:not([type=checkbox]), textarea, select")) return;
    const row = document.activeElement?.closest<HTMLElement>("tr[data-code]");
    if (!row) return;
    const box = row.querySelector<HTMLInputElement>("input[name=pick]");
    if (event.key === "x" && box) box.checked = !box.checked;
    else if (event.key === "e" && box?.form && row.dataset["state"] === "new") {
      for (const other of box.form.querySelectorAll<HTMLInputElement>("input[name=pick]")) other.checked = other === box;
      box.form.requestSubmit(box.form.querySelector<HTMLButtonElement>("button[value=accept]"));
    } else return;
    event.preventDefault();
  }
}

/** Whether somebody wrote or chose something in a form, or is in it. */
function begun(form: HTMLFormElement): boolean {
  if (form.contains(document.activeElement) && document.activeElement?.localName !== "button") return true;
  return [...form.elements].some((one) => {
    if (one instanceof HTMLTextAreaElement) return one.value !== one.defaultValue;
    if (one instanceof HTMLSelectElement) return [...one.options].some((option) => option.selected !== option.defaultSelected && (option.defaultSelected || option.index > 0));
    return one instanceof HTMLInputElement && one.type !== "hidden" && (one.type === "checkbox" ? one.checked !== one.defaultChecked : one.value !== one.defaultValue);
  });
}

customElements.define("dt-work", Work);
