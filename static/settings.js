// How captions are chosen. The controls and their ranges are the template's, from the API's own declaration; what
// differs from the defaults is in the address, so that it can be shared.

const form = document.getElementById("settings");
const controls = [...form.elements].filter((control) => control.name);
const { method, style, beam_size: beamSize, num_captions: numCaptions } = form.elements;

/** Name to value of what the chosen method and style heed; what is left empty is left to the API. */
export function currentSettings() {
  return Object.fromEntries(heeded().map((c) => [c.name, valueOf(c)]).filter(([, value]) => value !== ""));
}

export function startSettings() {
  readAddress();
  refresh();
  form.addEventListener("input", (event) => refresh(event.target));
  form.addEventListener("reset", () => setTimeout(refresh)); // the controls are reset after the event
  form.addEventListener("submit", (event) => event.preventDefault());
}

const heeded = () => controls.filter(isHeeded);

function isHeeded(control) {
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
    if (shown) shown.textContent = control.value;
  }
  const changed = heeded().filter(isChanged);
  const query = new URLSearchParams(changed.map((control) => [control.name, valueOf(control)])).toString();
  history.replaceState(null, "", query ? `?${query}` : location.pathname);
  document.getElementById("changed").textContent = changed
    .map((control) => control.labels[0].textContent.toLowerCase() + (isBox(control) ? "" : ` ${control.value}`))
    .join(" · ");
}

/** A beam holds no more captions than its size: whichever of the two is moved takes the other along. */
function keepCaptionsInBeam(touched) {
  if (method.value !== "beam" || Number(numCaptions.value) <= Number(beamSize.value)) return;
  if (touched === numCaptions) beamSize.value = numCaptions.value;
  else numCaptions.value = beamSize.value;
}
