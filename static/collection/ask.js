// The collection's part of the service's API. By fetch, thumbnails too: an image's own request could not carry the key.

import { apiKey, refusal, unreachable } from "../api.js";

/** A response that is no failure; else throws a Problem, with `answer` where there is one. */
export async function ask(address, { signal, decision } = {}) {
  const key = apiKey();
  const headers = { ...(key && { "X-API-Key": key }), ...(decision && { "Content-Type": "application/json" }) };
  const sent = decision && { method: "POST", body: JSON.stringify(decision) };
  const response = await fetch(address, { signal, headers, ...sent }).catch((error) => {
    throw signal?.aborted ? error : unreachable();
  });
  if (response.ok) return response;
  const answer = await response.json().catch(() => null);
  throw Object.assign(refusal(response.status, answer), { answer });
}
