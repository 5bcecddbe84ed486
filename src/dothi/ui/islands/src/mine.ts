// The officer's list with a script: what is done without a line waits in the browser and goes when the line is back.
import "./mine.css";
import "./left";
import { part } from "./list";
import { follow } from "./live";
import { say, type Words } from "./model";
import { Outbox, shrink, type Kept } from "./outbox";
import { distance, far } from "./queue";
import { zoned } from "./time";

const TRY = 15_000; // milliseconds between two tries while something waits
const REST = 2000;
const BOX = [360, 132] as const;
const NS = "http://www.w3.org/2000/svg";

class Mine extends HTMLElement {
  #words: Words = {};
  #language = "vi";
  #outbox!: Outbox;
  #here: GeolocationCoordinates | null = null;
  #sorted = false;
  #timer = 0;
  #looks = 0;
  #shown = 0;
  #choosing = false;
  #due = false;

  connectedCallback(): void {
    this.#words = JSON.parse(this.dataset["words"] ?? "{}") as Words;
    this.#language = this.dataset["language"] ?? "vi";
    const token = (): string => this.querySelector<HTMLInputElement>("input[name=csrf_token]")?.value ?? "";
    this.#outbox = new Outbox(this.dataset["me"] ?? "", token, () => void this.#say());
    this.addEventListener("submit", (event) => void this.#submit(event));
    // While the camera is open its field stays: a photo given to a field that was drawn anew would be lost.
    document.addEventListener("click", (event) => this.#chooses((event.target as HTMLElement).matches("dt-mine input[type=file]")));
    this.addEventListener("cancel", () => this.#chooses(false));
    this.#cameras();
    window.addEventListener("online", () => void this.#send());
    window.addEventListener("offline", () => void this.#say());
    window.setInterval(() => void this.#send(), TRY);
    follow(`/live?layers=none&lang=${this.#language}`, (message) => {
      if (message.kind === "incidents" || message.kind === "hello" || message.kind === "reload") this.#soon();
    });
    this.#wirePlace();
    if ("serviceWorker" in navigator) navigator.serviceWorker.register("/mine/worker.js", { scope: "/mine" }).catch(console.warn);
    void this.#send();
  }

  // What is done

  async #submit(event: SubmitEvent): Promise<void> {
    const form = event.target as HTMLFormElement;
    if (!form.dataset["act"] || form.querySelector("input[type=file]")) return;
    event.preventDefault();
    const button = form.querySelector("button");
    const fields = [...new FormData(form)].filter((one): one is [string, string] => typeof one[1] === "string" && one[0] !== "csrf_token" && one[0] !== "back");
    await this.#keep({ to: form.getAttribute("action")!, label: button?.textContent?.trim() ?? "", fields, photo: null, photoName: "" }, form);
    form.reset(); // it waits in the outbox now: nothing is being written here any more
    if (button) button.disabled = true;
    const more = form.closest<HTMLDetailsElement>("details.mine-more");
    if (more) more.open = false;
    await this.#send();
  }

  async #photo(input: HTMLInputElement): Promise<void> {
    const form = input.form!;
    const file = input.files![0]!;
    const fields = [...new FormData(form)].filter((one): one is [string, string] => typeof one[1] === "string" && one[0] !== "csrf_token" && one[0] !== "back");
    await this.#keep({ to: form.getAttribute("action")!, label: form.dataset["keep"] ?? "", fields, photo: await shrink(file), photoName: "photo.jpg" }, form);
    form.reset();
    const shot = form.querySelector<HTMLElement>(".mine-shot")!;
    shot.classList.add("mine-kept");
    shot.querySelector("span")!.textContent = this.#words["kept"] ?? "";
    await this.#send();
  }

  async #keep(one: Omit<Kept, "code" | "made" | "refused" | "owner">, form: HTMLFormElement): Promise<void> {
    const code = form.closest<HTMLElement>("[data-code]")?.dataset["code"] ?? "";
    const once = [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    one.fields.push(["once", once]); // a line that drops before the answer makes it go twice
    await this.#outbox.keep({ ...one, code, made: new Date().toISOString(), refused: "" });
  }

  async #send(): Promise<void> {
    await this.#say();
    if (!navigator.onLine) return;
    if (await this.#outbox.send()) await this.#look();
  }

  /** Say how the line is and what waits. */
  async #say(): Promise<void> {
    const all = await this.#outbox.all();
    const waiting = all.filter((one) => !one.refused);
    const line = part(this, "line");
    const words = [
      navigator.onLine ? (waiting.length ? this.#words["sending"] : "") : this.#words["offline"],
      waiting.length ? say(this.#words["waiting"], { count: waiting.length }) : "",
    ].filter(Boolean);
    line.textContent = words.join(" · ");
    line.hidden = words.length === 0;
    const list = part(this, "waiting");
    list.hidden = all.length === 0;
    list.replaceChildren(...all.map((one) => this.#waiting(one)));
  }

  #waiting(one: Kept): HTMLElement {
    const item = document.createElement("li");
    const told = document.createElement("span");
    told.textContent = `${zoned(Date.parse(one.made)).hour} · ${one.label}${one.refused ? ` · ${this.#words["refused"]}: ${one.refused === "changed-meanwhile" ? this.#words["changed"] : one.refused}` : ""}`;
    item.append(told);
    if (!one.refused) return item;
    item.className = "mine-refused";
    const look = Object.assign(document.createElement("a"), { className: "button", href: `/incidents/${one.code}`, textContent: this.#words["look"] ?? "" });
    const drop = Object.assign(document.createElement("button"), { className: "button", type: "button", textContent: this.#words["drop"] ?? "" });
    drop.addEventListener("click", () => void this.#outbox.drop(one.id!));
    const both = Object.assign(document.createElement("span"), { className: "actions" });
    both.append(look, drop);
    item.append(both);
    return item;
  }

  // What the city says

  /** Each field hears of its own photo, also when the page put another in its place at that very moment. */
  #cameras(): void {
    for (const input of this.querySelectorAll<HTMLInputElement>("input[type=file]")) {
      input.onchange = () => {
        if (input.files?.length) void this.#photo(input);
        this.#chooses(false);
      };
    }
  }

  #chooses(now: boolean): void {
    this.#choosing = now;
    if (now || !this.#due) return;
    this.#due = false;
    this.#soon();
  }

  #soon(): void {
    if (this.#timer) return;
    this.#timer = window.setTimeout(() => {
      this.#timer = 0; // what changes while it looks is looked at again
      void this.#look();
    }, REST);
  }

  async #look(): Promise<void> {
    const turn = ++this.#looks;
    const answer = await fetch(location.href, { headers: { accept: "text/html" } }).catch(() => null);
    if (!answer?.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (turn < this.#shown) return; // a later look came back sooner
    // Whoever writes or takes a photo is not disturbed; the page is looked at again when they are done.
    const held = document.activeElement;
    this.#due = this.#choosing;
    if (this.#choosing || (held && this.contains(held) && held.matches("textarea, select"))) return;
    this.#shown = turn;
    const code = held?.closest<HTMLElement>(".mine-card")?.dataset["code"];
    const was = code && held ? stands(held) : "";
    const open = new Set([...this.querySelectorAll<HTMLElement>(".mine-card:has(> details[open])")].map((one) => one.dataset["code"]));
    for (const old of this.querySelectorAll<HTMLElement>("[data-live]")) {
      const found = fresh.querySelector<HTMLElement>(`[data-live="${CSS.escape(old.dataset["live"]!)}"]`);
      if (!found) continue;
      document.adoptNode(found); // so that what stays in the page is never moved to another document
      for (const card of found.querySelectorAll<HTMLElement>(".mine-card")) {
        const details = card.querySelector<HTMLDetailsElement>(":scope > details");
        if (details && open.size) details.open = open.has(card.dataset["code"]);
      }
      for (const card of old.querySelectorAll<HTMLElement>(".mine-card")) {
        const twin = found.querySelector<HTMLElement>(`.mine-card[data-code="${CSS.escape(card.dataset["code"]!)}"]`);
        if (carried(card, twin)) continue;
        if (twin) twin.replaceWith(card);
        else found.prepend(card);
      }
      old.replaceChildren(...found.childNodes);
    }
    this.#cameras();
    if (code && was && document.activeElement === document.body) {
      const card = [...this.querySelectorAll<HTMLElement>(`.mine-card[data-code="${CSS.escape(code)}"] :is(summary, a, button, input:not([type=hidden]))`)];
      (card.find((one) => stands(one) === was) ?? card[0])?.focus({ preventScroll: true });
    }
    this.#places();
    await this.#say();
  }

  // Where

  #wirePlace(): void {
    const near = part(this, "near");
    near.hidden = !("geolocation" in navigator);
    near.addEventListener("click", () => {
      this.#sorted = near.getAttribute("aria-pressed") !== "true";
      near.setAttribute("aria-pressed", String(this.#sorted));
      if (this.#sorted && !this.#here) this.#ask();
      else if (this.#sorted) this.#places();
      else void this.#look();
    });
    // Who allowed it before sees at once how far it is; nobody is asked unasked.
    navigator.permissions?.query({ name: "geolocation" }).then((found) => found.state === "granted" && this.#ask()).catch(() => undefined);
  }

  #ask(): void {
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        this.#here = coords;
        this.#places();
      },
      () => {
        const line = part(this, "line");
        line.textContent = this.#words["no_place"] ?? "";
        line.hidden = false;
      },
      { maximumAge: 60_000, timeout: 10_000, enableHighAccuracy: true },
    );
  }

  #places(): void {
    const here = this.#here;
    if (!here) return;
    const cards = [...this.querySelectorAll<HTMLElement>(".mine-card[data-at]")].map((card) => {
      const [longitude, latitude] = card.dataset["at"]!.split(",").map(Number);
      const metres = distance(here.longitude, here.latitude, longitude!, latitude!);
      card.querySelector("[data-part=away]")!.textContent = say(this.#words["away"], { distance: far(metres, this.#language) });
      const map = card.querySelector<HTMLElement>(".mine-map");
      if (map) draw(map, here);
      return { card, metres };
    });
    if (!this.#sorted) return;
    cards.sort((one, other) => other.metres - one.metres);
    for (const { card } of cards) card.parentElement!.prepend(card);
  }
}

/** Where one stands on the small map, and the straight way; nothing where that lies beyond it. */
function draw(map: HTMLElement, here: GeolocationCoordinates): void {
  map.querySelectorAll(".mine-here, .mine-way").forEach((one) => one.remove());
  const [west, south, east, north] = (map.dataset["bounds"] ?? "").split(",").map(Number);
  const x = ((here.longitude - west!) / (east! - west!)) * BOX[0];
  const y = ((north! - here.latitude) / (north! - south!)) * BOX[1];
  if (!(x > 0 && x < BOX[0] && y > 0 && y < BOX[1])) return;
  const make = (name: string, attributes: Record<string, string | number>): SVGElement => {
    const element = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
    return element;
  };
  map.querySelector("svg")!.append(make("path", { class: "mine-way", d: `M${x} ${y}L${BOX[0] / 2} ${BOX[1] / 2}` }), make("circle", { class: "mine-here", cx: x, cy: y, r: 6 }));
}

/** Take what somebody opened and wrote in a card, and did not send yet, over into the card that is to stand in its place.
 * False if something that was written has no place there: then the card stays, and sending says what became of it. */
function carried(card: HTMLElement, twin: HTMLElement | null): boolean {
  for (const opened of card.querySelectorAll<HTMLElement>(".mine-more[open] > summary")) {
    const same = [...(twin?.querySelectorAll<HTMLElement>(".mine-more > summary") ?? [])].find((one) => stands(one) === stands(opened));
    if (same) (same.parentElement as HTMLDetailsElement).open = true;
  }
  let whole = true;
  for (const field of card.querySelectorAll<HTMLTextAreaElement | HTMLSelectElement>(".mine-more :is(textarea, select)")) {
    if (field.value === (field instanceof HTMLSelectElement ? field.options[0]?.value : field.defaultValue)) continue;
    const there = twin?.querySelector<HTMLTextAreaElement | HTMLSelectElement>(`form[data-act="${CSS.escape(field.form!.dataset["act"] ?? "")}"] [name="${CSS.escape(field.name)}"]`);
    if (there) there.value = field.value;
    else whole = false;
  }
  return whole;
}

/** What an element is for: who works without a mouse finds it again when its card is drawn anew. */
function stands(one: Element): string {
  const form = one.closest("form");
  const phase = form?.querySelector<HTMLInputElement>("input[name=phase]")?.value ?? "";
  return [one.localName, one.getAttribute("href") ?? form?.getAttribute("action") ?? one.textContent?.trim(), phase].join(" ");
}

customElements.define("dt-mine", Mine);
