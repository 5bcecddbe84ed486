// A report that is written without a line waits in the browser and goes when the line is back; its code waits for its reader.
import "./spot";
import { part } from "./list";
import { say, type Words } from "./model";
import { Outbox, shrink, type Kept } from "./outbox";
import { zoned } from "./time";

const TRY = 15_000; // milliseconds between two tries while something waits
const PATIENCE = 4000; // milliseconds before a weak line counts as none
const PAGE = "/report";
const HOME = "dothi-report"; // what page-worker.ts keeps of this page
const MENDS = "dothi-mends"; // which kept report is being mended
const PLACE = ["kind", "address", "ward", "longitude", "latitude"];

class Drafts extends HTMLElement {
  #words: Words = {};
  #outbox!: Outbox;
  #token = "";

  connectedCallback(): void {
    this.#words = JSON.parse(this.dataset["words"] ?? "{}") as Words;
    this.#outbox = new Outbox("citizen", () => this.#token, () => void this.#say());
    document.addEventListener("ready", (event) => {
      const form = event.target as HTMLFormElement;
      if (form.dataset["draft"] === undefined) return;
      event.preventDefault();
      void this.#go(form).finally(() => delete form.dataset["sent"]);
    });
    window.addEventListener("online", () => void this.#send());
    window.setInterval(() => void this.#send(), TRY);
    void this.#mend();
    void this.#send();
    if ("serviceWorker" in navigator && "caches" in window) void this.#stay().catch(console.warn);
    if (new URL(location.href).search.slice(1) !== (this.dataset["asked"] ?? "")) this.#offline();
  }

  // What is written

  /** Send a form the plain way where there is a line; else keep it. */
  async #go(form: HTMLFormElement): Promise<void> {
    const mended = Number(form.dataset["mends"]);
    if (await reachable()) {
      if (mended) await this.#outbox.drop(mended);
      form.submit();
      return;
    }
    const fields = [...new FormData(form)].filter((one): one is [string, string] => typeof one[1] === "string" && one[0] !== "csrf_token");
    const files = form.querySelector<HTMLInputElement>("input[type=file]")?.files ?? [];
    const photos = await Promise.all([...files].map(shrink));
    const label = form.dataset["draft"] || form.querySelector<HTMLInputElement>("input[name=kind]")!.value;
    await this.#outbox.keep({ to: PAGE, label, code: "", made: new Date().toISOString(), fields, photo: null, photoName: "anh.jpg", photos, refused: "" });
    if (mended) await this.#outbox.drop(mended);
    form.remove();
    part(this, "list").scrollIntoView({ block: "center" });
  }

  /** A kept page that was asked for something else stands in for what the city would have answered: the rest of the form. */
  #offline(): void {
    const asked = new URL(location.href).searchParams;
    const first = document.querySelector<HTMLFormElement>(`form[action="${PAGE}"][method=get]`);
    const template = document.querySelector<HTMLTemplateElement>("template[data-offline]");
    const kind = first?.querySelector<HTMLInputElement>(`input[name=kind][value="${CSS.escape(asked.get("kind") ?? "")}"]`);
    if (!first || !template || !kind) return;
    const title = kind.closest("label")!.querySelector("b")!.textContent!;
    first.replaceWith(template.content.cloneNode(true));
    const form = document.querySelector<HTMLFormElement>("form[data-draft]")!;
    form.dataset["draft"] = [title, asked.get("address")].filter(Boolean).join(" · ");
    part(form, "about").textContent = form.dataset["draft"];
    for (const name of PLACE) {
      const field = form.querySelector<HTMLInputElement | HTMLSelectElement>(`[name=${name}]`)!;
      field.value = asked.get(name) ?? "";
      if (name === "ward") (field as HTMLSelectElement).required = !asked.get("longitude");
    }
    form.querySelector<HTMLInputElement>("[name=form]")!.value = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      form.dispatchEvent(new Event("ready", { bubbles: true, cancelable: true }));
    });
    form.querySelector("textarea")!.focus();
  }

  /** A report that was refused comes back with all that was written, to be mended and sent. */
  async #mend(): Promise<void> {
    const id = Number(sessionStorage.getItem(MENDS));
    sessionStorage.removeItem(MENDS);
    const form = document.querySelector<HTMLFormElement>("form[data-draft]");
    const one = id && form ? (await this.#outbox.all()).find((kept) => kept.id === id) : undefined;
    if (!one || !form) return;
    form.dataset["mends"] = String(id);
    for (const [name, value] of one.fields) {
      const field = form.querySelector<HTMLInputElement | HTMLTextAreaElement>(`textarea[name=${name}], input[name=${name}]:not([type=hidden])`);
      if (field instanceof HTMLInputElement && field.type === "checkbox") field.checked = true;
      else if (field) field.value = value;
    }
    const files = new DataTransfer();
    for (const photo of one.photos ?? []) files.items.add(new File([photo], one.photoName, { type: photo.type }));
    form.querySelector<HTMLInputElement>("input[type=file]")!.files = files.files;
  }

  // What waits

  async #send(): Promise<void> {
    const waits = (await this.#say()).some((one) => !one.refused && !one.sent);
    if (!waits || !navigator.onLine) return;
    // The kept page's token is of another day; nothing is sent without one of now.
    const answer = await fetch(PAGE, { headers: { accept: "text/html" } }).catch(() => null);
    if (!answer?.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    this.#token = page.querySelector<HTMLInputElement>("dt-drafts input[name=csrf_token]")?.value ?? "";
    await this.#outbox.send();
  }

  async #say(): Promise<Kept[]> {
    const all = await this.#outbox.all();
    this.hidden = all.length === 0;
    part(this, "list").replaceChildren(...all.map((one) => this.#item(one)));
    return all;
  }

  #item(one: Kept): HTMLElement {
    const item = document.createElement("li");
    const told = document.createElement("span");
    const state = one.sent ? say(this.#words["sent"]) : one.refused ? `${this.#words["refused"]}: ${one.refused}` : (this.#words["waiting"] ?? "");
    told.textContent = `${zoned(Date.parse(one.made)).hour} · ${one.label} · ${state}`;
    const ways = Object.assign(document.createElement("span"), { className: "actions" });
    if (one.sent) {
      told.append(" ", Object.assign(document.createElement("b"), { className: "rp-code", textContent: one.sent }));
      ways.append(Object.assign(document.createElement("a"), { className: "button button-main", href: `${PAGE}/${one.sent}`, textContent: this.#words["follow"] ?? "" }));
    }
    if (one.refused) ways.append(this.#button("mend", () => this.#open(one)));
    ways.append(this.#button(one.sent ? "noted" : "drop", () => void this.#outbox.drop(one.id!)));
    item.append(told, ways);
    return item;
  }

  #button(words: string, work: () => void): HTMLButtonElement {
    const button = Object.assign(document.createElement("button"), { className: "button", type: "button", textContent: this.#words[words] ?? "" });
    button.addEventListener("click", work);
    return button;
  }

  #open(one: Kept): void {
    sessionStorage.setItem(MENDS, String(one.id));
    location.assign(`${PAGE}?${new URLSearchParams(one.fields.filter(([name, value]) => PLACE.includes(name) && value))}`);
  }

  // The page without a line

  /** Keep the first page and its looks on this phone, unless somebody is signed in: their name is on it. */
  async #stay(): Promise<void> {
    if (document.querySelector(".me-open")) {
      await caches.delete(HOME);
      return;
    }
    await navigator.serviceWorker.register(`${PAGE}/worker.js`, { scope: PAGE });
    if (!navigator.onLine) return;
    const home = await caches.open(HOME);
    const looks = [...document.querySelectorAll<HTMLLinkElement | HTMLScriptElement>("link[rel=stylesheet], script[src]")].map((one) => ("href" in one ? one.href : one.src));
    const parts = performance.getEntriesByType("resource").map(({ name }) => name).filter((name) => name.includes("/static/assets/"));
    await Promise.all([PAGE, ...new Set([...looks, ...parts])].map((address) => home.add(address)));
  }
}

/** Whether the city answers in time; a telephone that says it is online may still have no line. */
async function reachable(): Promise<boolean> {
  if (!navigator.onLine) return false;
  const answer = await fetch(`${PAGE}/citizens.css`, { method: "HEAD", cache: "no-store", signal: AbortSignal.timeout(PATIENCE) }).catch(() => null);
  return answer?.ok ?? false;
}

customElements.define("dt-drafts", Drafts);
