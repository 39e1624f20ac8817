// The session as a file, made in the browser of what the cards hold.

const COLUMNS = ["file", "caption", "mean_probability", "confidence", "low_confidence", "tags", "language", "alternatives", "model", "settings", "error", "warning"];

export function toJson(records) {
  return JSON.stringify(records, null, 2);
}

/** A row a photograph, in the spreadsheet's dialect of CSV (RFC 4180, with a byte order mark for the encoding). */
export function toCsv(records) {
  const lines = [COLUMNS, ...records.map(row)].map((cells) => cells.map(cell).join(","));
  return `\uFEFF${lines.join("\r\n")}\r\n`;
}

function row({ file, caption, answer, settings, error }) {
  const chosen = answer?.captions.find(({ text }) => text === caption);
  const others = answer?.captions.filter((other) => other !== chosen).map(({ text }) => text);
  return [
    file,
    caption,
    chosen?.mean_probability,
    chosen?.confidence,
    answer?.low_confidence,
    answer?.tags.map(({ name }) => name).join(", "),
    answer?.language,
    others?.join(" | "),
    answer && `${answer.model.name} ${answer.model.digest}`,
    settings && new URLSearchParams(settings),
    error,
    answer?.warning,
  ];
}

function cell(value = "") {
  let text = String(value ?? "");
  if (/^[=+\-@\t\r]/.test(text)) text = `'${text}`; // a spreadsheet would run it as a formula
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const MILLISECONDS_TO_BEGIN = 10_000; // not every browser has read the address when click returns

export function download(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), MILLISECONDS_TO_BEGIN);
}
