// The service's API, as the page uses it. XMLHttpRequest, because fetch tells nothing of an upload's progress.

import { Problem } from "./words.js";

/** The answer of /predict. `onProgress` gets the part sent, 0 to 1. Throws an Error with words for the person. */
export function requestCaptions(photograph, options, { signal, onProgress }) {
  const form = new FormData();
  for (const [name, value] of Object.entries(options)) form.append(name, value);
  form.append("image", photograph, "photograph"); // what the file is called at home is nobody's business
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "predict");
    request.responseType = "json";
    const key = apiKey();
    if (key) request.setRequestHeader("X-API-Key", key);
    request.upload.addEventListener("progress", (event) => onProgress(event.loaded / event.total));
    request.upload.addEventListener("load", () => onProgress(1));
    request.addEventListener("load", () => {
      const answer = request.response; // null where it is not JSON: a proxy's page, say
      if (request.status === 200 && answer) resolve(answer);
      else reject(refusal(request.status, answer));
    });
    request.addEventListener("error", () => reject(unreachable()));
    request.addEventListener("abort", () => reject(signal.reason));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

/** There only where the service has one. */
export const apiKey = () => document.getElementById("api-key")?.value;

/** What the service says of a failure, in the page's language where it can. */
export function refusal(status, answer) {
  const { code, message } = answer?.error ?? {};
  return message ? new Problem(`error.${code}`, { message }) : new Problem("status", { status: String(status) });
}

export const unreachable = () => new Problem(navigator.onLine ? "unreachable" : "offline");
