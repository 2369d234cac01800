// Keeps the page for times without a network: a service worker. `cargo xtask web` fills in the three constants.
"use strict";

// Tells one build's files from another's.
const VERSION = "{version}";
// The page's own files; weights and labels are kept by the page itself, under the name `ferkd-assets`.
const FILES = ["{files}"];
// Files of the page that are kept once they were asked for: who opens no ONNX file need not load what computes them.
const LATER = ["{later}"];

// Several pages of one site have one store of caches: each keeps to its own folder.
const PREFIX = `ferkd-page:${self.registration.scope}:`;
const CACHE = PREFIX + VERSION;

// A file whose name carries its checksum never changes.
const HAS_SUM = /[0-9a-f]{16}/;

// Milliseconds after which a network that does not answer is taken for none, where the file is kept.
const PATIENCE = 5000;

const ADDRESSES = new Map([...FILES, ...LATER].map((file) => [new URL(file, self.registration.scope).pathname, file]));
// The folder itself is its index.
ADDRESSES.set(new URL(self.registration.scope).pathname, "index.html");

async function install() {
  const cache = await caches.open(CACHE);
  // All or none: a page of two builds would not start.
  await cache.addAll(FILES.map((file) => new Request(file, { cache: HAS_SUM.test(file) ? "default" : "no-cache" })));
}

// Versions that no open page is of any more go.
async function activate() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(PREFIX) && name !== CACHE).map((name) => caches.delete(name)));
  await self.clients.claim();
}

async function kept(file) {
  const cache = await caches.open(CACHE);
  return cache.match(new URL(file, self.registration.scope));
}

async function keep(request, file) {
  const response = await fetch(request);
  if (response.ok) {
    const copy = response.clone();
    // Full or forbidden: it is fetched again next time.
    await caches.open(CACHE).then((cache) => cache.put(new URL(file, self.registration.scope), copy)).catch(() => {});
  }
  return response;
}

async function answer(request, file) {
  if (HAS_SUM.test(file)) {
    const there = await kept(file);
    if (there) return there;
    if (LATER.includes(file)) return keep(request, file);
  }
  // Everything else is the network's, so that a new build is seen at once; what is kept stands in for it.
  const limit = new Promise((resolve) => setTimeout(resolve, PATIENCE));
  const fetched = fetch(request).then((response) => (response.ok ? response : undefined), () => undefined);
  return (await Promise.race([fetched, limit])) || (await kept(file)) || fetch(request);
}

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const address = new URL(request.url);
  const file = address.origin === self.location.origin ? ADDRESSES.get(address.pathname) : undefined;
  // Stores and runs beside the page are no part of it.
  if (file && request.method === "GET" && !request.headers.has("range")) event.respondWith(answer(request, file));
});
