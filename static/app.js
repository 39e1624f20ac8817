// One photograph at a time: take it in, send it, show what comes back. Captions and names are text, never markup.

import { captionPhotograph } from "./api.js";
import { showHeat, clearHeat } from "./heat.js";

const $ = (id) => document.getElementById(id);
const maxBytes = Number($("form").dataset.maxBytes);
let photograph = null;
let running = null; // AbortController of the request under way

function take(file) {
  if (!file) return;
  photograph = file;
  URL.revokeObjectURL($("preview").src);
  $("preview").src = URL.createObjectURL(file);
  $("preview").alt = "";
  $("clear").hidden = false;
  send();
}

function clear() {
  running?.abort();
  running = photograph = null;
  $("result").setAttribute("aria-busy", "false");
  URL.revokeObjectURL($("preview").src);
  $("preview").removeAttribute("src");
  showPreview(false);
  for (const id of ["answer", "error", "again", "clear", "status"]) $(id).hidden = true;
  clearHeat($("heat"));
  $("file").focus();
}

// The browser may know less formats than the service (TIFF), or the file may be no image: then the box stays inviting.
function showPreview(shown) {
  $("preview").hidden = !shown;
  $("invitation").hidden = shown;
  $("drop").classList.toggle("filled", shown);
}

async function send() {
  running?.abort();
  const mine = (running = new AbortController());
  say("Looking…");
  try {
    if (photograph.size > maxBytes) throw new Error(`An image may have at most ${maxBytes / 2 ** 20} MB.`);
    const count = $("num_captions").value;
    const answer = await captionPhotograph(
      photograph,
      {
        method: $("method").value,
        num_captions: count,
        beam_size: Math.max(3, count),
        attention: true,
      },
      mine.signal,
    );
    if (mine === running) show(answer);
  } catch (error) {
    if (mine === running && error.name !== "AbortError") fail(error.message);
  }
}

function say(text) {
  clearHeat($("heat"));
  $("result").setAttribute("aria-busy", "true");
  $("status").textContent = text;
  $("status").hidden = false;
  $("error").hidden = $("answer").hidden = true;
}

function settle() {
  $("result").setAttribute("aria-busy", "false");
  $("status").hidden = true;
  $("again").hidden = false;
}

function fail(message) {
  settle();
  $("error").textContent = message;
  $("error").hidden = false;
}

function show(answer) {
  settle();
  // What the model saw, upright, whatever the format was.
  URL.revokeObjectURL($("preview").src);
  $("preview").src = answer.image;
  $("preview").alt = answer.caption;
  const [best, ...others] = answer.captions;
  $("caption").replaceChildren(...best.words.flatMap((word) => [word.text === "'s" ? "" : " ", wordElement(word)]));
  $("caption").dataset.text = answer.caption;
  $("alternatives").replaceChildren(...others.map(alternative));
  const { total } = answer.timing_ms;
  $("timing").textContent = `${answer.model.name} on ${answer.model.device}, ${Math.round(total)} ms`;
  $("answer").hidden = false;
}

function wordElement(word) {
  const span = document.createElement("span");
  span.className = "word";
  span.tabIndex = 0;
  span.textContent = word.text;
  span.title = `${Math.round(word.probability * 100)} % sure`;
  span.style.setProperty("--sure", `${Math.round(word.probability * 100)}%`);
  const look = () => showHeat($("heat"), $("preview"), word.attention);
  for (const event of ["pointerenter", "focus"]) span.addEventListener(event, look);
  for (const event of ["pointerleave", "blur"]) span.addEventListener(event, () => clearHeat($("heat")));
  return span;
}

function alternative(caption) {
  const item = document.createElement("li");
  const text = document.createElement("span");
  text.textContent = caption.text;
  const odds = document.createElement("span");
  odds.className = "odds";
  odds.textContent = `${Math.round(caption.mean_probability * 100)} %`;
  odds.title = "How sure the model was of a word, on average";
  item.append(text, odds);
  return item;
}

async function copy(button, text) {
  const label = (button.dataset.label ??= button.textContent);
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Copying is not allowed here";
  }
  setTimeout(() => (button.textContent = label), 1500);
}

const asAttribute = (text) => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");

$("preview").addEventListener("load", () => showPreview(true));
$("preview").addEventListener("error", () => showPreview(false));
$("file").addEventListener("change", () => {
  take($("file").files[0]);
  $("file").value = ""; // the same file can be chosen again
});
$("again").addEventListener("click", send);
$("clear").addEventListener("click", clear);
$("copy").addEventListener("click", () => copy($("copy"), $("caption").dataset.text));
$("copy-alt").addEventListener("click", () => copy($("copy-alt"), `alt="${asAttribute($("caption").dataset.text)}"`));
$("form").addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  $("drop").classList.add("over");
});
document.addEventListener("dragleave", () => $("drop").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  take(event.dataTransfer.files[0]);
});
document.addEventListener("paste", (event) => take([...event.clipboardData.files].find((f) => f.type.startsWith("image/"))));
