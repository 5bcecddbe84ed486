// What somebody did while the line was down, an officer or a citizen: kept in the browser in order, sent when the line is back, never twice at once.
export interface Kept {
  id?: number;
  owner: string; // whose it is: another who signs in at this phone neither sees nor sends it
  to: string;
  label: string; // what it is, in the reader's words
  code: string; // of which incident
  made: string; // when it was done, RFC 3339
  fields: [string, string][];
  photo: Blob | null;
  photoName: string;
  photos?: Blob[]; // where there may be several
  refused: string; // why the city would not take it; "" while it waits
  sent?: string; // what the city calls it now, where its sender must be told: it stays until they have noted it
}

interface Answer {
  version?: number; // of the incident, after an act
  report?: string; // the code to follow a report by
}

const NAME = "dothi-outbox";

function open(): Promise<IDBDatabase> {
  return new Promise((done, failed) => {
    const wish = indexedDB.open(NAME, 1);
    wish.onupgradeneeded = () => wish.result.createObjectStore("kept", { keyPath: "id", autoIncrement: true });
    wish.onsuccess = () => done(wish.result);
    wish.onerror = () => failed(wish.error);
  });
}

async function within<T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const database = await open();
  try {
    return await new Promise<T>((done, failed) => {
      const change = database.transaction("kept", mode);
      const wish = work(change.objectStore("kept"));
      change.oncomplete = () => done(wish.result);
      change.onabort = () => failed(change.error);
    });
  } finally {
    database.close();
  }
}

export class Outbox {
  readonly #me: string;
  readonly #token: () => string;
  readonly #changed: () => void;
  #busy = false;

  constructor(me: string, token: () => string, changed: () => void) {
    this.#me = me;
    this.#token = token;
    this.#changed = changed;
  }

  async keep(one: Omit<Kept, "owner">): Promise<void> {
    await within("readwrite", (store) => store.add({ ...one, owner: this.#me }));
    this.#changed();
  }

  async all(): Promise<Kept[]> {
    const every = await within("readonly", (store) => store.getAll() as IDBRequest<Kept[]>);
    return every.filter(({ owner }) => owner === this.#me);
  }

  async drop(id: number): Promise<void> {
    await within("readwrite", (store) => store.delete(id));
    this.#changed();
  }

  /** Send what waits, in the order it was done; one that is refused steps aside with its reason. True if anything went. */
  async send(): Promise<boolean> {
    if (this.#busy) return false;
    this.#busy = true;
    let sent = false;
    try {
      const lock = <T>(work: () => Promise<T>): Promise<T> =>
        "locks" in navigator ? (navigator.locks.request(NAME, work) as Promise<T>) : work();
      await lock(async () => {
        for (;;) {
          const one = (await this.all()).find(({ refused, sent }) => !refused && !sent); // anew each time: what went may change what follows
          if (!one) return;
          const answer = await this.#post(one);
          if (answer === "later") return;
          if (typeof answer === "string") await within("readwrite", (store) => store.put({ ...one, refused: answer }));
          else if (answer.report) {
            await within("readwrite", (store) => store.put({ ...one, fields: [], photo: null, photos: [], sent: answer.report }));
            sent = true;
          } else {
            await within("readwrite", (store) => store.delete(one.id!));
            await this.#follow(one, answer.version);
            sent = true;
          }
        }
      });
    } finally {
      this.#busy = false;
    }
    this.#changed();
    return sent;
  }

  /** What was done after it on the same incident was done knowing of it: it follows to the new version. */
  async #follow(one: Kept, version: number | undefined): Promise<void> {
    const was = one.fields.find(([name]) => name === "version")?.[1];
    if (version === undefined || was === undefined) return;
    for (const later of await this.all()) {
      const known = later.fields.find(([name]) => name === "version");
      if (later.code !== one.code || known?.[1] !== was) continue;
      known[1] = String(version);
      await within("readwrite", (store) => store.put(later));
    }
  }

  /** What the city answered when it took it, "later" when the line is down or the city busy, else why it was refused. */
  async #post(one: Kept): Promise<string | Answer> {
    const form = new FormData();
    for (const [name, value] of one.fields) form.append(name, value);
    form.set("made_at", one.made);
    for (const photo of one.photos ?? (one.photo ? [one.photo] : [])) form.append("photo", photo, one.photoName);
    try {
      const answer = await fetch(one.to, { method: "POST", body: form, headers: { accept: "application/json", "X-CSRF-Token": this.#token() }, redirect: "manual" });
      if (answer.ok) return (await answer.json().catch(() => ({}))) as Answer;
      if (answer.type === "opaqueredirect" || answer.status >= 500 || answer.status === 429 || answer.status === 401) return "later";
      const problem = (await answer.json().catch(() => ({}))) as { type?: string; title?: string };
      if (problem.type?.endsWith(":stale-form")) return "later"; // another session: the page brings a new token
      return problem.type?.endsWith(":changed-meanwhile") ? "changed-meanwhile" : (problem.title ?? String(answer.status));
    } catch {
      return "later";
    }
  }
}

const LONGEST = 2048; // pixels: enough to see a kerb, little enough for a weak line

/** The picture, small enough for a weak line and without what its camera wrote beside it; as it is where that fails. */
export async function shrink(file: File): Promise<Blob> {
  try {
    const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
    const scale = Math.min(1, LONGEST / Math.max(picture.width, picture.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(picture.width * scale);
    canvas.height = Math.round(picture.height * scale);
    canvas.getContext("2d")!.drawImage(picture, 0, 0, canvas.width, canvas.height);
    return await new Promise<Blob>((done) => canvas.toBlob((small) => done(small ?? file), "image/jpeg", 0.85));
  } catch {
    return file;
  }
}
