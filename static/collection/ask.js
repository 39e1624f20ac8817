// The collection's part of the service's API. By fetch, thumbnails too: an image's own request could not carry the key.

import { apiKey } from "../api.js";

/** A response that is no failure; else throws an Error with words for the person, with `answer` where there is one. */
export async function ask(address, { signal, decision } = {}) {
  const key = apiKey();
  const headers = { ...(key && { "X-API-Key": key }), ...(decision && { "Content-Type": "application/json" }) };
  const sent = decision && { method: "POST", body: JSON.stringify(decision) };
  const response = await fetch(address, { signal, headers, ...sent }).catch((error) => {
    throw signal?.aborted ? error : new Error("The service cannot be reached. Is it running?");
  });
  if (response.ok) return response;
  const answer = await response.json().catch(() => null);
  const error = new Error(answer?.error?.message ?? `The service answered with status ${response.status}.`);
  throw Object.assign(error, { answer });
}
