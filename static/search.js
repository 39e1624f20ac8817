// Search of the collection that the operator points the service at. The template has its form only where there is one.

import { announce } from "./announce.js";
import { apiKey } from "./api.js";
import { createQueue } from "./queue.js";

const PICTURES_AT_ONCE = 4;

const $ = (id) => document.getElementById(id);
let running = new AbortController();

$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  find($("query").value);
});
$("query").addEventListener("input", () => $("query").value || clear());

async function find(query) {
  const { signal } = clear();
  tell("Searching…");
  try {
    const { total, results } = await (await ask(`collection/search?q=${encodeURIComponent(query)}`, signal)).json();
    const inTurn = createQueue(PICTURES_AT_ONCE);
    $("results").replaceChildren(...results.map((result) => item(result, inTurn, signal)));
    const all = total === 1 ? "1 photograph" : `${total} photographs`;
    tell(results.length < total ? `The ${results.length} best of ${all}` : total ? all : `Nothing found for “${query}”`);
    announce($("found").textContent);
  } catch (error) {
    if (signal.aborted) return;
    tell(error.message, true);
    announce(error.message);
  }
}

function clear() {
  running.abort();
  running = new AbortController();
  $("results").replaceChildren();
  tell("");
  return running;
}

/** By fetch, thumbnails too: an image's own request could not carry the key. */
async function ask(address, signal) {
  const key = apiKey();
  const response = await fetch(address, { signal, headers: key ? { "X-API-Key": key } : {} }).catch((error) => {
    throw signal.aborted ? error : new Error("The service cannot be reached. Is it running?");
  });
  if (response.ok) return response;
  const answer = await response.json().catch(() => null);
  throw new Error(answer?.error?.message ?? `The service answered with status ${response.status}.`);
}

function item({ path, caption, thumbnail }, inTurn, signal) {
  const element = $("found-photograph").content.cloneNode(true).firstElementChild;
  element.querySelector(".said").textContent = caption;
  element.querySelector(".path").textContent = path;
  if (thumbnail) inTurn(() => show(element.querySelector("img"), thumbnail, signal), signal).catch(() => {}); // none then
  return element;
}

async function show(image, address, signal) {
  const picture = URL.createObjectURL(await (await ask(address, signal)).blob());
  image.addEventListener("load", () => URL.revokeObjectURL(picture));
  image.src = picture;
  image.hidden = false;
}

function tell(text, isError = false) {
  $("found").textContent = text;
  $("found").hidden = !text;
  $("found").className = isError ? "error" : "quiet";
}
