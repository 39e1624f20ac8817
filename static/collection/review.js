// People's words: accept, edit, reject and undo, by keys or buttons. Two people at once see each other's words.

import { announce } from "../announce.js";
import { say, tell } from "../words.js";
import { ask } from "./ask.js";

const $ = (id) => document.getElementById(id);
const STEPS = { j: 1, ArrowDown: 1, ArrowRight: 1, k: -1, ArrowUp: -1, ArrowLeft: -1 };
const KEYS = { a: "accept", e: "edit", r: "reject", u: "undo" };
const REVIEWER = "reviewer"; // in the browser's storage

/** `list()` is what is shown, `begin()` fetches what is to be reviewed, `report(key, values, isError)` says something. */
export function startReview({ list, begin, report }) {
  const isEditable = Boolean($("reviewer"));
  let last = null; // decided on, which undo takes back where there is nothing to undo
  const current = () => list().find((found) => found.article.ariaCurrent === "true");

  function choose(found) {
    for (const other of list()) {
      other.article.setAttribute("aria-current", other === found);
      other.article.tabIndex = other === found ? 0 : -1;
    }
    if (isEditable) $("reviewing").hidden = false;
  }

  function go(step) {
    const all = list();
    const next = all[all.indexOf(current()) + step];
    if (next) next.article.focus();
    else if (step > 0) $("more").checkVisibility() ? $("more").focus() : announce(say("last"));
    next?.element.scrollIntoView({ block: "nearest" });
  }

  async function decide(found, action, caption = "") {
    const by = $("reviewer").value.trim();
    if (!by) {
      report("who", {}, true);
      $("reviewer").focus();
      return;
    }
    const { id, version } = found.photograph;
    try {
      const decision = { action, by, version, caption };
      found.show(await (await ask(`collection/${id}/review`, { decision })).json());
      close(found);
      last = found;
      announce(`${found.find(".state").textContent || say("undone")}: ${found.find(".said").textContent}`);
      found.article.focus();
      if (action !== "undo") go(1);
    } catch (error) {
      if (error.answer?.error?.code === "conflict") clash(found, action, error);
      else report(error.key, error.values, true);
      announce(error.message);
    }
  }

  /** Somebody was faster: both texts are shown, and the person chooses. */
  function clash(found, action, { key, values, answer }) {
    const { current: theirs, yours } = answer;
    close(found);
    found.show(theirs);
    tell(found.find(".conflict .error"), key, values);
    const caption = theirs.caption || theirs.machine_caption;
    tell(found.find(".theirs"), theirs.caption ? "now" : "now_rejected", { caption });
    tell(found.find(".yours"), "yours", { caption: action === "edit" ? yours : say(action).toLowerCase() });
    found.find(".conflict").hidden = false;
    found.find("[data-act=mine]").onclick = () => decide(found, action, yours);
    found.find("[data-act=theirs]").focus();
  }

  function close(found) {
    found.find(".editing").hidden = found.find(".conflict").hidden = true;
  }

  function edit(found) {
    close(found);
    found.find(".editing").hidden = false;
    const text = found.find("textarea");
    text.value = found.photograph.caption || found.photograph.machine_caption;
    text.focus();
  }

  function act(found, action) {
    if (action === "edit") edit(found);
    else decide(action === "undo" && !found.photograph.reviewed && list().includes(last) ? last : found, action);
  }

  function watch(found) {
    found.article.tabIndex = list()[0] === found ? 0 : -1;
    found.article.addEventListener("focusin", () => choose(found));
    found.article.addEventListener("click", () => choose(found));
    if (!isEditable) return;
    for (const action of Object.values(KEYS)) found.on(action, () => act(found, action));
    const leave = () => (close(found), found.article.focus());
    found.on("cancel", leave);
    found.on("theirs", leave);
    found.find(".editing").addEventListener("submit", (event) => {
      event.preventDefault();
      decide(found, "edit", found.find("textarea").value);
    });
    found.find("textarea").addEventListener("keydown", (event) => {
      if (event.key === "Escape") leave();
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      found.find(".editing").requestSubmit();
    });
  }

  $("results").addEventListener("keydown", (event) => {
    if (event.target.matches("textarea, input") || event.ctrlKey || event.metaKey || event.altKey) return;
    const found = current();
    if (event.key in STEPS) go(STEPS[event.key]);
    else if (isEditable && event.key === "?") $("keys").showModal();
    else if (isEditable && found && event.key in KEYS) act(found, KEYS[event.key]);
    else return;
    event.preventDefault();
  });
  if (isEditable) {
    $("reviewer").value = localStorage.getItem(REVIEWER) ?? "";
    $("reviewer").addEventListener("change", () => localStorage.setItem(REVIEWER, $("reviewer").value.trim()));
    $("reviewer").addEventListener("keydown", (event) => event.key === "Enter" && (current() ?? list()[0])?.article.focus());
    $("review").addEventListener("click", begin);
    $("show-keys").addEventListener("click", () => $("keys").showModal());
  }
  return {
    watch,
    /** What is to be reviewed is listed. */
    enter() {
      $("reviewing").hidden = false;
      if (!$("reviewer").value) $("reviewer").focus();
      else list()[0]?.article.focus();
    },
  };
}
