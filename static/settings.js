// How captions are chosen. The controls and their ranges are the template's, from the API's own declaration; what
// differs from the defaults is in the address, so that it can be shared.

const form = document.getElementById("settings");
const controls = [...form.elements].filter((control) => control.name);
const [method, beamSize, numCaptions] = ["method", "beam_size", "num_captions"].map((name) => form.elements[name]);

/** Name to value of what the chosen method heeds; what is left empty is left to the API. */
export function currentSettings() {
  return Object.fromEntries(heeded().filter(({ value }) => value !== "").map(({ name, value }) => [name, value]));
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
  const { methods } = control.closest(".field").dataset;
  return !methods || methods.split(" ").includes(method.value);
}

const defaultOf = (control) =>
  control.type === "select-one" ? [...control.options].find((o) => o.defaultSelected).value : control.defaultValue;

const isChanged = (control) => control.validity.valid && control.value !== defaultOf(control);

function readAddress() {
  const given = new URLSearchParams(location.search);
  for (const control of controls) {
    const before = control.value;
    const text = given.get(control.name);
    if (!text || (control !== method && Number.isNaN(Number(text)))) continue; // a slider would go to its middle
    control.value = text; // a slider keeps itself in its range
    if (!control.value || !control.validity.valid) control.value = before;
  }
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
  const query = new URLSearchParams(changed.map(({ name, value }) => [name, value])).toString();
  history.replaceState(null, "", query ? `?${query}` : location.pathname);
  document.getElementById("changed").textContent = changed
    .map((control) => `${control.labels[0].textContent.toLowerCase()} ${control.value}`)
    .join(" · ");
}

/** A beam holds no more captions than its size: whichever of the two is moved takes the other along. */
function keepCaptionsInBeam(touched) {
  if (method.value !== "beam" || Number(numCaptions.value) <= Number(beamSize.value)) return;
  if (touched === numCaptions) beamSize.value = numCaptions.value;
  else numCaptions.value = beamSize.value;
}
