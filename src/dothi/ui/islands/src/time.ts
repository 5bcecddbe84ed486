// Times as the city writes them, in its own zone.
const ZONE = "Asia/Ho_Chi_Minh";
const parts = new Intl.DateTimeFormat("en-GB", {
  timeZone: ZONE, hour: "2-digit", minute: "2-digit", second: "2-digit", day: "2-digit", month: "2-digit", year: "numeric", hourCycle: "h23",
});

export interface Moment {
  clock: string; // 21:42:06
  hour: string; // 21:42
  day: string; // 21/11/2026
}

/** What the city's clock showed when this machine's showed `machine` (both milliseconds since 1970): a replay has its own. */
export function cityTime(machine: number): number {
  const clock = document.querySelector<HTMLElement>("dt-clock")?.dataset;
  const behind = Date.now() - machine;
  return clock?.["at"] ? Number(clock["at"]) - behind * Number(clock["speed"] ?? 1) : machine;
}

/** A moment (milliseconds since 1970, UTC) in the city's zone. */
export function zoned(milliseconds: number): Moment {
  const found: Record<string, string> = {};
  for (const { type, value } of parts.formatToParts(milliseconds)) found[type] = value;
  const hour = `${found["hour"]}:${found["minute"]}`;
  return { clock: `${hour}:${found["second"]}`, hour, day: `${found["day"]}/${found["month"]}/${found["year"]}` };
}
