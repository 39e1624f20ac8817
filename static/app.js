// The page: photographs come in, each gets a card, and the session can be taken away or cleared.

import { announce } from "./announce.js";
import { Card } from "./card.js";
import { download, toCsv, toJson } from "./download.js";
import { startIntake } from "./intake.js";
import { createQueue } from "./queue.js";
import { startSettings } from "./settings.js";
import { say, tell } from "./words.js";

const AT_ONCE = 2; // one travels while the service looks at the other

const $ = (id) => document.getElementById(id);
const { longestSide, maxBytes } = $("choose").dataset;
const cards = []; // the session: in the order given, and in this tab only

const context = {
  inTurn: createQueue(AT_ONCE),
  limits: { longestSide: Number(longestSide), maxBytes: Number(maxBytes), accepted: $("choose").accept.split(",") },
  changed: count,
  removed(card) {
    const at = cards.indexOf(card);
    cards.splice(at, 1);
    card.element.remove();
    if (cards.length) cards[Math.min(at, cards.length - 1)].focus();
    else $("choose").focus();
    count();
  },
};

function take(files) {
  const given = files.map((file) => new Card(file, context));
  cards.push(...given);
  $("cards").append(...given.map((card) => card.element));
  for (const card of given) card.run();
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  given[0].element.scrollIntoView({ block: "nearest", behavior: calm ? "auto" : "smooth" });
}

function count() {
  $("session").hidden = !cards.length;
  $("again-all").hidden = !cards.length;
  const settled = cards.filter((card) => card.settled).length;
  if (settled < cards.length) tell($("count"), "some_done", { done: settled, all: cards.length });
  else tell($("count"), "photographs", { count: cards.length });
}

$("again-all").addEventListener("click", () => cards.forEach((card) => card.run()));
$("csv").addEventListener("click", () => download("captions.csv", "text/csv", toCsv(cards.map((c) => c.record))));
$("json").addEventListener("click", () =>
  download("captions.json", "application/json", toJson(cards.map((c) => c.record))),
);
$("clear").addEventListener("click", () => {
  for (const card of [...cards]) card.remove();
  announce(say("cleared"));
});
startSettings();
startIntake(take);
