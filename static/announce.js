// What a screen reader is told without being asked: one live region for the page.

const KEPT = 20;

export function announce(text) {
  const line = document.createElement("p");
  line.textContent = text;
  const log = document.getElementById("announcer");
  log.append(line);
  if (log.children.length > KEPT) log.firstChild.remove();
}
