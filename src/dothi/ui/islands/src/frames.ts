// The city at past moments, as the map wants it: fetched once, kept, and fetched ahead while the bar plays.
import type { LayerData, TileView } from "./model";

const KEPT = 240;
const FRESH = 20_000; // milliseconds for which a frame with today's knowledge is believed: corrections come late

export type Knowledge = "now" | "then";

export interface Seen {
  at: number; // milliseconds since 1970, UTC
  known: Knowledge;
}

export interface Frame {
  layers: Map<string, LayerData>;
  tiles: TileView[];
}

/** A moment as parameters of an address; without milliseconds, so that the same moment is the same address. */
export function asked({ at, known }: Seen): string {
  return `at=${instant(at)}${known === "then" ? "&known=then" : ""}`;
}

export function instant(at: number): string {
  return new Date(at).toISOString().replace(/\.\d+Z$/, "Z");
}

export class Frames {
  readonly #language: string;
  readonly #kept = new Map<string, { frame: Promise<Frame>; began: number }>();

  constructor(language: string) {
    this.#language = language;
  }

  /** The frame of a moment, from memory where it is there. Rejects when the city does not answer. */
  get(seen: Seen, layers: readonly string[]): Promise<Frame> {
    const key = `${asked(seen)} ${layers.join()}`;
    const kept = this.#kept.get(key);
    if (kept && (seen.known === "then" || performance.now() - kept.began < FRESH)) return kept.frame;
    const frame = this.#fetch(seen, layers);
    this.#kept.delete(key);
    this.#kept.set(key, { frame, began: performance.now() });
    frame.catch(() => this.#kept.delete(key));
    for (const old of this.#kept.keys()) {
      if (this.#kept.size <= KEPT) break;
      this.#kept.delete(old);
    }
    return frame;
  }

  async #fetch(seen: Seen, layers: readonly string[]): Promise<Frame> {
    const load = async <T>(address: string): Promise<T> => {
      const answer = await fetch(`${address}?${asked(seen)}&lang=${this.#language}`);
      if (!answer.ok) throw new Error(`${address} at ${instant(seen.at)}: ${answer.status}`);
      return (await answer.json()) as T;
    };
    const [tiles, ...data] = await Promise.all([
      load<TileView[]>("/map/tiles.json"),
      ...layers.map((layer) => load<LayerData>(`/map/layers/${encodeURIComponent(layer)}.json`)),
    ]);
    return { tiles, layers: new Map(layers.map((layer, place) => [layer, data[place]!])) };
  }
}
