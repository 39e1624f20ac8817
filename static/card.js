// One photograph's card, from the file to the caption. Names and captions are text, never markup.

import { announce } from "./announce.js";
import { requestCaptions } from "./api.js";
import { CaptionView } from "./caption.js";
import { asAttribute, copy } from "./copy.js";
import { Heat } from "./heat.js";
import { prepare } from "./photograph.js";
import { currentSettings, learnLanguages } from "./settings.js";
import { Problem, say, tell } from "./words.js";

let made = 0; // for headings' ids

const PERHAPS = 4; // tags in place of a sentence
const SUPPORTED = 0.25; // likelier than that, the photograph shows what a word names

export class Card {
  element = document.getElementById("card").content.cloneNode(true).firstElementChild;
  state = "waiting";
  #file;
  #context; // {inTurn, limits, changed, removed}
  #photograph = null; // what `prepare` made of the file
  #running = new AbortController();
  #view;
  #caption; // the one that is shown large
  #answer = null;
  #settings = null;
  #error = "";

  constructor(file, context) {
    this.#file = file;
    this.#context = context;
    const heading = this.#find("h2");
    heading.id = `photograph-${(made += 1)}`;
    heading.textContent = heading.title = file.name;
    this.#find("article").setAttribute("aria-labelledby", heading.id);
    this.#view = new CaptionView(this.#find(".caption"), this.#find(".play"), new Heat(this.#find(".heat")));
    this.#find("img").addEventListener("load", () => this.#frame());
    this.#picture = URL.createObjectURL(file);
    this.#on(".cancel", () => this.cancel());
    this.#on(".again", () => this.run());
    this.#on(".remove", () => this.remove());
    this.#on(".copy", (button) => copy(button, this.#caption.text));
    this.#on(".copy-alt", (button) => copy(button, asAttribute(this.#caption.text)));
  }

  get settled() {
    return ["done", "failed", "cancelled"].includes(this.state);
  }

  /** What a download tells of it. */
  get record() {
    const { image, ...answer } = this.#answer ?? {};
    return {
      file: this.#file.name,
      state: this.state,
      caption: this.#answer ? this.#caption.text : undefined,
      settings: this.#settings ?? undefined,
      error: this.#error || undefined,
      answer: this.#answer ? answer : undefined,
    };
  }

  /** Captions the photograph with the settings of now; one under way is given up. */
  async run() {
    this.#running.abort();
    const { signal } = (this.#running = new AbortController());
    this.#answer = this.#settings = null;
    this.#view.stop();
    this.#enter("waiting", "waiting");
    try {
      const answer = await this.#context.inTurn(() => this.#send(signal), signal);
      if (!signal.aborted) this.#show(answer);
    } catch (error) {
      if (!signal.aborted) this.#fail("failed", error);
    }
  }

  cancel() {
    this.#running.abort();
    this.#fail("cancelled", new Problem("cancelled"));
  }

  remove() {
    this.#running.abort();
    this.#view.stop();
    this.#picture = "";
    this.#context.removed(this);
  }

  focus() {
    this.#find("article").focus();
  }

  async #send(signal) {
    const { limits } = this.#context;
    this.#enter("preparing", "preparing");
    this.#photograph ??= await prepare(this.#file, limits);
    signal.throwIfAborted();
    const { blob, asSeen } = this.#photograph;
    if (blob.size > limits.maxBytes) throw new Problem("too_large", { megabytes: limits.maxBytes / 2 ** 20 });
    if (blob !== this.#file) this.#picture = URL.createObjectURL(blob); // far less to hold than what the camera gave
    this.#settings = currentSettings();
    this.#enter("sending", "sending", 0);
    const onProgress = (part) =>
      part < 1 ? this.#enter("sending", "sending_part", part) : this.#enter("looking", "looking");
    const options = { ...this.#settings, attention: true, include_image: !asSeen };
    return requestCaptions(blob, options, { signal, onProgress });
  }

  #show(answer) {
    this.#answer = answer;
    if (answer.image) this.#picture = answer.image;
    this.#find(".note").hidden = !answer.low_confidence;
    const part = answer.confidence;
    tell(this.#find(".confidence"), part === null ? "" : "confident", { part, hundredths: Math.round(part * 100) });
    for (const place of this.element.querySelectorAll(".caption, .ranking ol, .tags")) place.lang = answer.language;
    this.#find(".tags").replaceChildren(...answer.tags.map(chip));
    this.#find(".cut-off").hidden = answer.warning !== "truncated";
    const items = answer.captions.map((caption) => this.#ranked(caption));
    this.#find(".ranking").hidden = items.length < 2;
    this.#find(".ranking ol").replaceChildren(...items);
    this.#choose(answer.captions[0]);
    const { name, device } = answer.model;
    tell(this.#find(".fine"), "by_model", { name, device, milliseconds: Math.round(answer.timing_ms.total) });
    learnLanguages();
    this.#enter("done");
    const notes = [...this.element.querySelectorAll(":is(.note, .cut-off):not([hidden])")];
    announce(`${this.#file.name}: ${this.#find("img").alt}${notes.map((note) => `. ${note.textContent}`).join("")}`);
  }

  #ranked(caption) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain";
    const [text, odds] = [document.createElement("span"), document.createElement("span")];
    text.textContent = caption.text;
    tell(odds, "percent", { part: caption.mean_probability });
    odds.className = "odds";
    button.append(text, " ", odds);
    button.addEventListener("click", () => this.#choose(caption));
    const item = document.createElement("li");
    item.append(button);
    return item;
  }

  #choose(caption) {
    this.#caption = caption;
    this.#view.show(caption);
    this.#find(".support").replaceChildren(...supportOf(caption));
    const { low_confidence, captions, tags, language } = this.#answer;
    const perhaps = low_confidence && caption === captions[0] && tags.slice(0, PERHAPS).map(({ name }) => name);
    const [told, image] = [this.#find(".told"), this.#find("img")];
    for (const [element, part] of [[told, "text"], [image, "alt"]]) {
      tell(element, perhaps?.length ? "perhaps" : "", { words: perhaps }, part);
      element.lang = perhaps?.length ? "" : language;
    }
    if (!perhaps?.length) told.textContent = image.alt = caption.text;
    told.hidden = !perhaps?.length && this.#settings.style !== "alt"; // the words alone say the same
    const at = this.#answer.captions.indexOf(caption);
    this.element.querySelectorAll(".ranking button").forEach((b, i) => b.setAttribute("aria-pressed", i === at));
  }

  #fail(state, error) {
    this.#error = error.message;
    tell(this.#find(".error"), error.key ?? "error.unknown", error.values ?? { message: error.message });
    this.#enter(state);
    announce(`${this.#file.name}: ${error.message}`);
  }

  /** `key` is of what is said of it, `part` how much is done, 0 to 1, where that is known. */
  #enter(state, key = "", part) {
    const held = this.element.contains(document.activeElement);
    if (state !== "failed" && state !== "cancelled") this.#error = "";
    this.state = this.element.dataset.state = state;
    this.#find("article").setAttribute("aria-busy", !this.settled);
    tell(this.#find(".state"), key, { part });
    const progress = this.#find("progress");
    if (part === undefined) progress.removeAttribute("value");
    else progress.value = part;
    for (const block of this.element.querySelectorAll("[data-when]")) {
      block.hidden = !block.dataset.when.split(" ").includes(state);
    }
    if (held && !document.activeElement?.checkVisibility()) this.focus(); // its button has gone with its state
    this.#context.changed();
  }

  set #picture(address) {
    const image = this.#find("img");
    URL.revokeObjectURL(image.src);
    if (address) image.src = address;
    else image.removeAttribute("src");
  }

  #frame() {
    const { naturalWidth, naturalHeight } = this.#find("img");
    this.#find(".print").style.setProperty("--ratio", naturalWidth / naturalHeight);
    this.#find(".print").hidden = false;
  }

  #find(selector) {
    return this.element.querySelector(selector);
  }

  #on(selector, act) {
    for (const button of this.element.querySelectorAll(selector)) button.addEventListener("click", () => act(button));
  }
}

function chip({ name, probability }) {
  const item = document.createElement("li");
  item.textContent = name;
  tell(item, "likely", { part: probability }, "title");
  return item;
}

/** Which of the caption's words the photograph supports by a second look, in sentences; none without one. */
function supportOf({ words }) {
  const judged = words.filter(({ support }) => support !== undefined);
  const sentence = (key, kept) => {
    const names = [...new Set(judged.filter(kept).map(({ text }) => text))];
    if (!names.length) return [];
    const span = document.createElement("span");
    tell(span, key, { words: names });
    return [span, " "];
  };
  return [
    ...sentence("seen", ({ support }) => support >= SUPPORTED),
    ...sentence("unseen", ({ support }) => support < SUPPORTED),
  ];
}
