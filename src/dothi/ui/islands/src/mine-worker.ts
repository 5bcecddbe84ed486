/// <reference lib="webworker" />
// Keeps the officer's page and its looks on the phone, so that it opens without a line. Nothing else of the city is kept.
const worker = self as unknown as ServiceWorkerGlobalScope;
const KEPT = "dothi-mine";
const PATIENCE = 4000; // milliseconds before a weak line counts as none

worker.addEventListener("install", () => void worker.skipWaiting());
worker.addEventListener("activate", (event) => event.waitUntil(worker.clients.claim()));
worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const address = new URL(request.url);
  if (request.method !== "GET" || address.origin !== worker.location.origin) return;
  if (address.pathname.startsWith("/static/assets/")) event.respondWith(once(request));
  else if (request.mode === "navigate" && address.pathname === "/mine") event.respondWith(fresh(request));
});

/** Names carry their content's hash: what is kept is right for ever. */
async function once(request: Request): Promise<Response> {
  const kept = await caches.match(request, { cacheName: KEPT });
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.ok) await (await caches.open(KEPT)).put(request, answer.clone());
  return answer;
}

async function fresh(request: Request): Promise<Response> {
  const home = await caches.open(KEPT);
  const impatient = new AbortController();
  const timer = setTimeout(() => impatient.abort(), PATIENCE);
  try {
    const answer = await fetch(request, { signal: impatient.signal });
    if (answer.ok && !answer.redirected) await home.put("/mine", answer.clone());
    else await home.delete("/mine"); // signed out: the next one at this phone is somebody else
    return answer;
  } catch (error) {
    const kept = await home.match("/mine");
    if (kept) return kept;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
