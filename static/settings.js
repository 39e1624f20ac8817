// How captions are chosen. The controls and their ranges are the template's, from the API's own declaration; what
// differs from the defaults is in the address, so that it can be shared.

import { recall, remember, say, tell } from "./words.js";

const REMEMBERED = "caption-language";
const form = document.getElementById("settings");
const controls = [...form.elements].filter((control) => control.name);
const { method, style, language, beam_size: beamSize, num_captions: numCaptions } = form.elements;

/** Name to value of what the chosen method and style heed; what is left empty is left to the API. */
export function currentSettings() {
  return Object.fromEntries(heeded().map((c) => [c.name, valueOf(c)]).filter(([, value]) => value !== ""));
}

export function startSettings() {
  offer(language.dataset.had.split(" ").filter(Boolean));
  readAddress();
  refresh();
  form.addEventListener("input", (event) => refresh(event.target));
  form.addEventListener("reset", () => setTimeout(refresh)); // the controls are reset after the event
  language.addEventListener("input", () => remember(REMEMBERED, language.value));
  document.addEventListener("spoken", refresh);
  form.addEventListener("submit", (event) => event.preventDefault());
}

/** Where the page came before the model was loaded. */
export async function learnLanguages() {
  if (language.options.length) return;
  const response = await fetch("info");
  offer((await response.json()).model.capabilities.languages);
  refresh();
}

/** Languages of captions, by their own names; at first the one that was chosen last, or else the page's. */
function offer(tags) {
  const options = tags.map((tag) => new Option(new Intl.DisplayNames([tag], { type: "language" }).of(tag), tag));
  for (const option of options) option.lang = option.value;
  language.replaceChildren(...options);
  if (options.length) options[0].defaultSelected = true;
  for (const tag of [document.documentElement.lang, recall(REMEMBERED)]) if (tags.includes(tag)) language.value = tag;
}

const heeded = () => controls.filter(isHeeded);

function isHeeded(control) {
  if (control === language) return language.options.length > 1;
  const { methods, styles } = control.closest(".field").dataset;
  const isAmong = (value, those) => !those || those.split(" ").includes(value);
  return isAmong(method.value, methods) && isAmong(style.value, styles);
}

const isBox = (control) => control.type === "checkbox";

const valueOf = (control) => (isBox(control) ? String(control.checked) : control.value);

function defaultOf(control) {
  if (isBox(control)) return String(control.defaultChecked);
  return control.options ? [...control.options].find((o) => o.defaultSelected).value : control.defaultValue;
}

const isChanged = (control) => control.validity.valid && valueOf(control) !== defaultOf(control);

function readAddress() {
  const given = new URLSearchParams(location.search);
  for (const control of controls) {
    const text = given.get(control.name);
    if (text && isBox(control)) control.checked = text === "true";
    else if (text) read(control, text);
  }
}

function read(control, text) {
  if (!control.options && Number.isNaN(Number(text))) return; // a slider would go to its middle
  const before = control.value;
  control.value = text; // a slider keeps itself in its range
  if (!control.value || !control.validity.valid) control.value = before;
}

function refresh(touched) {
  keepCaptionsInBeam(touched);
  for (const control of controls) {
    const field = control.closest(".field");
    field.hidden = !isHeeded(control);
    const shown = field.querySelector(".value");
    if (shown) tell(shown, "number", { value: Number(control.value) });
  }
  const changed = heeded().filter(isChanged);
  const query = new URLSearchParams(changed.map((control) => [control.name, valueOf(control)])).toString();
  history.replaceState(null, "", query ? `?${query}` : location.pathname);
  document.getElementById("changed").textContent = changed
    .map((control) => {
      const label = control.labels[0].textContent;
      const value = control.type === "range" ? Number(control.value) : control.selectedOptions?.[0].text ?? control.value;
      return isBox(control) ? label : say("setting", { label, value });
    })
    .join(" · ");
}

/** A beam holds no more captions than its size: whichever of the two is moved takes the other along. */
function keepCaptionsInBeam(touched) {
  if (method.value !== "beam" || Number(numCaptions.value) <= Number(beamSize.value)) return;
  if (touched === numCaptions) beamSize.value = numCaptions.value;
  else numCaptions.value = beamSize.value;
}
