// A photograph of the collection in the list. Names and captions are text, never markup.

import { tell } from "../words.js";
import { ask } from "./ask.js";

export class Found {
  element = document.getElementById("found-photograph").content.cloneNode(true).firstElementChild;
  photograph;

  constructor(photograph) {
    this.show(photograph);
  }

  get article() {
    return this.find("article");
  }

  find(selector) {
    return this.element.querySelector(selector);
  }

  on(act, listener) {
    this.find(`[data-act=${act}]`)?.addEventListener("click", listener);
  }

  show(photograph) {
    this.photograph = photograph;
    const { caption, machine_caption, path, reviewed } = photograph;
    this.article.dataset.reviewed = reviewed ?? "";
    tell(this.article, "found", { caption: caption || machine_caption, path }, "label");
    this.find(".said").textContent = caption || machine_caption;
    tell(this.find(".machine"), "machine_said", { caption: machine_caption });
    this.find(".machine").hidden = reviewed !== "edited";
    tell(this.find(".state"), ...state(photograph));
    this.find(".path").textContent = path;
    const undo = this.find("[data-act=undo]");
    if (undo) undo.hidden = !reviewed;
  }

  async picture(address, signal) {
    const picture = URL.createObjectURL(await (await ask(address, { signal })).blob());
    const image = this.find("img");
    image.addEventListener("load", () => URL.revokeObjectURL(picture));
    image.src = picture;
    image.hidden = false;
  }
}

function state({ reviewed, reviewed_by, confidence }) {
  if (reviewed) return [`state.${reviewed}`, { by: reviewed_by }];
  return typeof confidence === "number" ? ["state.machine", { part: confidence }] : [""];
}
