// One stream per browser: the tab that holds the lock reads the stream and passes every message on to the other tabs.
import type { Point, Summary } from "./model";

export type LiveMessage =
  | { kind: "hello" | "beat"; data: { now: string } }
  | { kind: "points"; data: { layer: string; points: Point[] } }
  | { kind: "removed"; data: { ids: string[] } }
  | { kind: "summary"; data: Summary }
  | { kind: "incidents"; data: { codes: string[] } }
  | { kind: "alerts"; data: { lines: number[] } }
  | { kind: "reload"; data: object }
  | { kind: "lost"; data: { since: number } };

const KINDS = ["hello", "beat", "points", "removed", "summary", "incidents", "alerts", "reload"] as const;
const SILENCE = 30_000; // three beats of the server

/** Follow `address` until the returned function is called; `hear` is called for every message, "lost" included. */
export function follow(address: string, hear: (message: LiveMessage) => void): () => void {
  const channel = new BroadcastChannel(`dothi-live ${address}`);
  const stop = new AbortController();
  const end: { done?: () => void } = {};
  let last: LiveMessage | null = null; // what the leader heard of the line, for tabs that open later
  const tell = (message: LiveMessage): void => {
    if (message.kind === "hello" || message.kind === "beat") last = { kind: "beat", data: message.data };
    if (message.kind === "lost") last = message;
    hear(message);
    channel.postMessage(message);
  };
  channel.onmessage = (event: MessageEvent<LiveMessage | "how is the line?">) => {
    if (event.data !== "how is the line?") hear(event.data);
    else if (end.done && last) channel.postMessage(last);
  };
  channel.postMessage("how is the line?");
  const lead = (): Promise<void> =>
    new Promise((done) => {
      const close = read(address, tell);
      end.done = () => {
        close();
        done();
      };
    });
  // Locks exist only where the browser trusts the connection; elsewhere every tab reads for itself.
  if ("locks" in navigator) navigator.locks.request(`dothi-live ${address}`, { signal: stop.signal }, lead).catch(() => undefined);
  else void lead();
  return () => {
    stop.abort();
    end.done?.();
    channel.close();
  };
}

function read(address: string, tell: (message: LiveMessage) => void): () => void {
  let source: EventSource;
  let last = Date.now();
  let lost = false;
  let stopped = false;
  const loose = (): void => {
    if (lost) return;
    lost = true;
    tell({ kind: "lost", data: { since: last } });
  };
  const open = (): void => {
    if (stopped) return;
    source = new EventSource(address);
    for (const kind of KINDS) {
      source.addEventListener(kind, (event) => {
        last = Date.now();
        lost = false;
        tell({ kind, data: JSON.parse((event as MessageEvent<string>).data) } as LiveMessage);
      });
    }
    source.onerror = () => {
      loose();
      if (source.readyState === EventSource.CLOSED) window.setTimeout(open, 3000); // refused: the browser itself gave up
    };
  };
  open();
  const watch = window.setInterval(() => {
    if (Date.now() - last < SILENCE) return;
    loose();
    source.close();
    open();
    last = Date.now();
  }, 5000);
  return () => {
    stopped = true;
    window.clearInterval(watch);
    source.close();
  };
}
