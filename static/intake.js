// The ways in: drop anywhere, choose, take with the camera, paste.

import { announce } from "./announce.js";
import { say, tell } from "./words.js";

const $ = (id) => document.getElementById(id);

/** `take` gets an array of files, in the order given, whichever way they came. */
export function startIntake(take) {
  const give = (files) => {
    note(files.length ? "" : "none_given");
    if (files.length) take(files);
  };
  for (const input of [$("choose"), $("take")]) {
    input.addEventListener("change", () => {
      if (input.files.length) give([...input.files]);
      input.value = ""; // the same file can be chosen again
    });
  }
  listenForDrops(give);
  document.addEventListener("paste", (event) => {
    const files = pictures([...event.clipboardData.files]);
    if (files.length || !event.target.closest("input")) give(files);
  });
  $("paste-button").addEventListener("click", async () => {
    try {
      give(await readClipboard());
    } catch {
      note("no_clipboard");
    }
  });
}

const pictures = (files) => files.filter((file) => file.type.startsWith("image/"));

function listenForDrops(give) {
  const hasFiles = (event) => event.dataTransfer.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    $("overlay").hidden = false;
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) $("overlay").hidden = true; // it left the window
  });
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    $("overlay").hidden = true;
    give([...event.dataTransfer.files]);
  });
}

async function readClipboard() {
  const files = [];
  for (const item of await navigator.clipboard.read()) {
    const type = item.types.find((name) => name.startsWith("image/"));
    if (type) files.push(new File([await item.getType(type)], say("pasted"), { type }));
  }
  return files;
}

function note(key) {
  tell($("intake-note"), key);
  $("intake-note").hidden = !key;
  if (key) announce(say(key));
}
