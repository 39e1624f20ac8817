// Search of the collection that the operator points the service at. The template has its form only where there is one.

import { announce } from "../announce.js";
import { createQueue } from "../queue.js";
import { tell } from "../words.js";
import { ask } from "./ask.js";
import { Found } from "./found.js";
import { startReview } from "./review.js";

const PICTURES_AT_ONCE = 4;

const $ = (id) => document.getElementById(id);
const inTurn = createQueue(PICTURES_AT_ONCE);
let running = new AbortController();
let shown = []; // what is listed, in order
let more = null; // fetches what comes after

const review = startReview({ list: () => shown, begin: () => find("reviewed:no", "least-sure", true), report });

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
  return list(() => address(passed()), isReview ? "all_reviewed" : "nothing_found", isReview, query);
}

/** `nothing` is the key of what is said where there is none. */
async function list(address, nothing, isReview, query = "") {
  const { signal } = clear();
  let total = 0;
  more = async () => {
    try {
      if (!shown.length) report("searching");
      const answer = await (await ask(address(), { signal })).json();
      total = Math.max(total, answer.total);
      add(answer.results, signal);
      $("more").hidden = shown.length >= total || !answer.results.length;
      const found = isReview ? "to_review" : shown.length < total ? "best_of" : "photographs";
      report(total ? found : nothing, { shown: shown.length, count: total, query });
      announce($("found").textContent);
    } catch (error) {
      if (signal.aborted) return;
      report(error.key, error.values, true);
      announce(error.message);
    }
  };
  await more();
  if (isReview) review.enter();
}

function add(photographs, signal) {
  const known = new Set(shown.map((found) => found.photograph.id));
  const added = photographs.filter(({ id }) => !known.has(id)).map((photograph) => new Found(photograph));
  shown.push(...added);
  $("results").append(...added.map((found) => found.element));
  for (const found of added) {
    const { thumbnail, id } = found.photograph;
    if (thumbnail) inTurn(() => found.picture(thumbnail, signal), signal).catch(() => {}); // none then
    found.on("similar", () => list(() => `collection/${id}/similar`, "none_like", false));
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
  report("");
  return running;
}

function report(key, values = {}, isError = false) {
  tell($("found"), key, values);
  $("found").hidden = !key;
  $("found").className = isError ? "error" : "quiet";
}
