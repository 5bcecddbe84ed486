/// <reference lib="webworker" />
// Keeps one page and its looks on the phone, so that it opens without a line: the officer's list, the citizen's form.
const worker = self as unknown as ServiceWorkerGlobalScope;
const PAGE = new URL(worker.registration.scope).pathname;
const KEPT = `dothi${PAGE.replaceAll("/", "-")}`;
const PATIENCE = 4000; // milliseconds before a weak line counts as none

worker.addEventListener("install", () => void worker.skipWaiting());
// The first visit came before there was a worker to keep its page.
worker.addEventListener("activate", (event) => {
  const first = fresh(new Request(PAGE, { headers: { accept: "text/html" } }), PAGE).catch(() => undefined);
  event.waitUntil(first.then(() => worker.clients.claim()));
});
worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const address = new URL(request.url);
  if (request.method !== "GET" || address.origin !== worker.location.origin) return;
  if (address.pathname.startsWith("/static/assets/")) event.respondWith(once(request));
  else if (request.mode === "navigate" && address.pathname === PAGE) event.respondWith(fresh(request, address.search ? "" : PAGE));
  else if (request.destination === "style") event.respondWith(fresh(request, address.pathname));
});

/** Names carry their content's hash: what is kept is right for ever. */
async function once(request: Request): Promise<Response> {
  const kept = await caches.match(request, { cacheName: KEPT, ignoreVary: true });
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.ok) await (await caches.open(KEPT)).put(request, answer.clone());
  return answer;
}

/** What the city answers now, kept under `name`; where it does not answer in time, what was kept. Without a name nothing is. */
async function fresh(request: Request, name: string): Promise<Response> {
  const home = await caches.open(KEPT);
  const impatient = new AbortController();
  const timer = setTimeout(() => impatient.abort(), PATIENCE);
  try {
    const answer = await fetch(request, { signal: impatient.signal });
    if (name && answer.ok && !answer.redirected) await home.put(name, answer.clone());
    else if (name) await home.delete(name); // signed out: the next one at this phone is somebody else
    return answer;
  } catch (error) {
    const kept = await home.match(name || PAGE, { ignoreVary: true });
    if (kept) return kept;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
