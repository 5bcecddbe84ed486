// What the server sends, as src/dothi/platform/sector.py and src/dothi/web declare it.
export interface Point {
  id: string;
  longitude: number;
  latitude: number;
  title: string;
  label: string;
  colour: string;
  ink: string;
  detail: string;
  ward: string | null;
  freshness: "fresh" | "late" | "silent";
  severity: number;
  rank: number;
  doubt: string;
  work?: boolean; // an incident: its marker is the shape of its severity
}

export interface Area {
  ward: string;
  label: string;
  colour: string;
  ink: string;
  detail: string;
}

export interface HourCell {
  at: string;
  label: string | null;
  colour: string;
  ink: string;
  detail: string;
}

export interface TileView {
  id: string;
  title: string;
  tile: { number: string | null; words: string; severity: number; missing: string };
}

export interface LayerData {
  points: Point[];
  areas: Area[];
  at: string;
}

export interface Summary {
  tiles: TileView[];
  areas: Record<string, Area[]>;
  hours: HourCell[];
}

export type Words = Record<string, string>;

/** `text` with {names} replaced. */
export function say(text: string | undefined, values: Record<string, string | number> = {}): string {
  return (text ?? "").replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** The accent-blind twin of a text, the same as dothi.model.text.fold. */
export function fold(text: string): string {
  return text.toLowerCase().normalize("NFD").replaceAll("đ", "d").replace(/\p{M}/gu, "");
}

/** The worst first; equal ones by name. */
export function byRank(one: Point, other: Point): number {
  return other.rank - one.rank || one.title.localeCompare(other.title, "vi");
}
