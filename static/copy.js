// Text to the clipboard, and what the button says of it.

import { announce } from "./announce.js";
import { say, tell } from "./words.js";

const MILLISECONDS_SHOWN = 1500;

export async function copy(button, text) {
  const before = (button.dataset.before ??= button.dataset.text);
  const result = (await write(text)) ? "copied" : "not_copied";
  tell(button, result);
  announce(say(result));
  setTimeout(() => tell(button, before), MILLISECONDS_SHOWN);
}

async function write(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return writeBySelection(text); // without https, and in another site's frame, there is no other way
  }
}

function writeBySelection(text) {
  const focused = document.activeElement;
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return done;
}

const ENTITIES = { "&": "&amp;", '"': "&quot;", "<": "&lt;", ">": "&gt;" };

export const asAttribute = (text) => `alt="${text.replace(/[&"<>]/g, (character) => ENTITIES[character])}"`;
