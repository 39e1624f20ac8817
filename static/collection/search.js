// Search of the collection that the operator points the service at. The template has its form only where there is one.

import { announce } from "../announce.js";
import { createQueue } from "../queue.js";
import { ask } from "./ask.js";
import { Found } from "./found.js";
import { startReview } from "./review.js";

const PICTURES_AT_ONCE = 4;

const $ = (id) => document.getElementById(id);
const inTurn = createQueue(PICTURES_AT_ONCE);
let running = new AbortController();
let shown = []; // what is listed, in order
let more = null; // fetches what comes after

const review = startReview({ list: () => shown, begin: () => find("reviewed:no", "least-sure", true), tell });

$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  find($("query").value, $("order").value);
});
$("query").addEventListener("input", () => $("query").value || clear());
$("more").addEventListener("click", () => more?.());

/** Lists what is found; what was decided meanwhile has left `reviewed:no`, so that fewer are to be passed over. */
function find(query, order, isReview = false) {
  const address = (offset) => `collection/search?${new URLSearchParams({ q: query, order, offset })}`;
  const passed = () => (isReview ? shown.filter((found) => !found.photograph.reviewed).length : shown.length);
  return list(() => address(passed()), isReview ? "Every caption is reviewed." : `Nothing found for “${query}”`, isReview);
}

async function list(address, nothing, isReview) {
  const { signal } = clear();
  let total = 0;
  more = async () => {
    try {
      if (!shown.length) tell("Searching…");
      const answer = await (await ask(address(), { signal })).json();
      total = Math.max(total, answer.total);
      add(answer.results, signal);
      $("more").hidden = shown.length >= total || !answer.results.length;
      tell(told(total, isReview) || nothing);
      announce($("found").textContent);
    } catch (error) {
      if (signal.aborted) return;
      tell(error.message, true);
      announce(error.message);
    }
  };
  await more();
  if (isReview) review.enter();
}

function told(total, isReview) {
  const all = total === 1 ? "1 photograph" : `${total} photographs`;
  if (isReview) return total ? `${all} to review` : "";
  return shown.length < total ? `The ${shown.length} best of ${all}` : total ? all : "";
}

function add(photographs, signal) {
  const known = new Set(shown.map((found) => found.photograph.id));
  const added = photographs.filter(({ id }) => !known.has(id)).map((photograph) => new Found(photograph));
  shown.push(...added);
  $("results").append(...added.map((found) => found.element));
  for (const found of added) {
    const { thumbnail, id } = found.photograph;
    if (thumbnail) inTurn(() => found.picture(thumbnail, signal), signal).catch(() => {}); // none then
    found.on("similar", () => list(() => `collection/${id}/similar`, "There is none like it.", false));
    review.watch(found);
  }
}

function clear() {
  running.abort();
  running = new AbortController();
  shown = [];
  more = null;
  $("more").hidden = true;
  $("results").replaceChildren();
  tell("");
  return running;
}

function tell(text, isError = false) {
  $("found").textContent = text;
  $("found").hidden = !text;
  $("found").className = isError ? "error" : "quiet";
}
