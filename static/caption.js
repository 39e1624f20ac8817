// A caption word by word: how sure the model was of each, where it looked, and a walk through all of them.

import { tell } from "./words.js";

const MILLISECONDS_A_WORD = 750;

export class CaptionView {
  #element;
  #playButton;
  #heat;
  #words = []; // {button, attention}
  #timer = 0;

  constructor(element, playButton, heat) {
    this.#element = element;
    this.#playButton = playButton;
    this.#heat = heat;
    playButton.addEventListener("click", () => (this.#timer ? this.stop() : this.#play()));
    element.addEventListener("keydown", (event) => this.#move(event));
  }

  show(caption) {
    this.stop();
    this.#words = caption.words.map((word) => ({ button: wordButton(word), attention: word.attention }));
    this.#words.forEach((word, at) => {
      const { button } = word;
      button.tabIndex = at ? -1 : 0; // one stop for the Tab key; arrows go on from there
      button.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && this.#look(word));
      button.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && this.#rest());
      button.addEventListener("focus", () => this.#look(word));
      button.addEventListener("blur", () => this.#rest());
      button.addEventListener("click", () => button.focus()); // not every browser does so for a tap
    });
    const gap = (at) => (at && hasBlank(caption.words[at - 1].text, caption.words[at].text) ? " " : "");
    this.#element.replaceChildren(...this.#words.flatMap(({ button }, at) => [gap(at), button]));
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#label("play");
    this.#rest();
  }

  #play(at = 0) {
    if (at === this.#words.length) return this.stop();
    if (at === 0) this.#label("stop");
    this.#look(this.#words[at]);
    this.#timer = setTimeout(() => this.#play(at + 1), MILLISECONDS_A_WORD);
  }

  #label(name) {
    tell(this.#playButton.querySelector("span"), name);
    this.#playButton.querySelector("use").setAttribute("href", `#${name}`);
  }

  #look(word) {
    for (const { button } of this.#words) button.classList.toggle("lit", button === word.button);
    this.#heat.show(word.attention);
  }

  #rest() {
    for (const { button } of this.#words) button.classList.remove("lit");
    this.#heat.clear();
  }

  #move(event) {
    const buttons = this.#words.map((word) => word.button);
    const at = buttons.indexOf(document.activeElement);
    const last = buttons.length - 1;
    const goal = { ArrowRight: Math.min(at + 1, last), ArrowLeft: Math.max(at - 1, 0), Home: 0, End: last }[event.key];
    if (at < 0 || goal === undefined) return;
    event.preventDefault();
    buttons[at].tabIndex = -1;
    buttons[goal].tabIndex = 0;
    buttons[goal].focus();
  }
}

/** Between a dog and 's there is none, nor after l', nor where a sign is a word. */
const hasBlank = (before, word) => word !== "'s" && !/['’]$/.test(before) && !/\p{Script=Han}/u.test(before + word);

function wordButton(word) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "word";
  button.textContent = word.text;
  const values = { word: word.text, part: word.probability };
  tell(button, "word_sure", values, "label");
  tell(button, "sure", values, "title");
  button.style.setProperty("--sure", `${word.probability * 100}%`);
  return button;
}
