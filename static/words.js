// What the page says, in the visitor's language. Elements carry the keys of their texts (static/languages), and the
// values in them, so that all of it can be said again in another language.

const REMEMBERED = "language";
const PARTS = { text: "textContent", label: "ariaLabel", title: "title", alt: "alt", placeholder: "placeholder" };
const root = document.documentElement;
const picker = document.getElementById("page-language");
let words = {};

/** The text of a key; numbers and lists among the values are written as the language writes them. */
export function say(key, values = {}) {
  const found = words[key] ?? values.message;
  const text = typeof found === "string" ? found : found[new Intl.PluralRules(root.lang).select(values.count)];
  return text.replace(/\{(\w+)(%?)\}/g, (_, name, percent) => write(values[name], percent));
}

function write(value, percent) {
  if (Array.isArray(value)) return value.join(words.comma);
  if (typeof value !== "number") return value;
  return new Intl.NumberFormat(root.lang, percent ? { style: "percent" } : {}).format(value);
}

/** Says it in an element from now on, in whichever language is chosen; `part` is one of PARTS. */
export function tell(element, key, values = {}, part = "text") {
  if (part === "text") element.removeAttribute("lang");
  if (key) element.dataset[part] = key;
  else delete element.dataset[part];
  element.dataset.values = JSON.stringify(values);
  if (key) dress(element);
  else element[PARTS[part]] = "";
}

function dress(element) {
  const { values = "{}", ...keys } = element.dataset;
  for (const [part, property] of Object.entries(PARTS)) {
    if (keys[part]) element[property] = say(keys[part], JSON.parse(values));
  }
  if (keys.text?.startsWith("error.")) element.lang = words[keys.text] ? root.lang : "en"; // else the service's own words
}

/** Something that went wrong, which `tell` can say. */
export class Problem extends Error {
  constructor(key, values) {
    super(say(key, values));
    this.key = key;
    this.values = values;
  }
}

async function speak(language) {
  const response = await fetch(new URL(`languages/${language}.json`, import.meta.url));
  const found = await response.json();
  if (picker.value !== language) return; // another was chosen meanwhile
  words = found;
  if (root.lang === language) return;
  root.lang = language;
  root.dir = words.direction;
  const templates = [...document.querySelectorAll("template")].map((template) => template.content);
  for (const part of [document, ...templates]) {
    part.querySelectorAll(Object.keys(PARTS).map((name) => `[data-${name}]`).join()).forEach(dress);
  }
  document.dispatchEvent(new Event("spoken"));
}

/** What was chosen by hand, kept in the browser; null where nothing was, or it keeps nothing. */
export function recall(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // then the choice is for this visit
  }
}

const isSpoken = (language) => [...picker.options].some(({ value }) => value === language);
picker.value = isSpoken(recall(REMEMBERED)) ? recall(REMEMBERED) : root.lang;
picker.addEventListener("change", () => {
  remember(REMEMBERED, picker.value);
  speak(picker.value).catch(() => (picker.value = root.lang));
});
await speak(picker.value);
