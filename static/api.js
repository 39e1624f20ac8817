// The service's API, as the page uses it.

export async function captionPhotograph(file, options, signal) {
  const form = new FormData();
  form.append("image", file);
  for (const [name, value] of Object.entries(options)) form.append(name, value);
  let response;
  try {
    response = await fetch("predict", { method: "POST", body: form, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The service cannot be reached. Is it running?");
  }
  const answer = await response.json().catch((error) => {
    if (error.name === "AbortError") throw error;
    return null; // not JSON: a proxy's page, say
  });
  if (response.ok && answer) return answer;
  throw new Error(answer?.error?.message ?? `The service answered with status ${response.status}.`);
}
