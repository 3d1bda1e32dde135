// Requests to our own server; what goes wrong is an Error with a line that can be shown.

export const ABSENT = "The server does not answer. If it was ended, start it again: python main.py web";
const SAID = { 413: "That is too large: 24 MB are the most. Save the picture smaller." };

export async function send(method, address, body, kind = "application/json") {
  const options = { method, headers: {} };
  if (method === "POST") {
    options.headers["Content-Type"] = kind;
    options.body = kind === "application/json" ? JSON.stringify(body ?? {}) : body;
  }
  const response = await reach(address, options);
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) {
    const message = answer.error || SAID[response.status] || `The server answered ${response.status}.`;
    throw Object.assign(new Error(message), { status: response.status });
  }
  return answer;
}

export async function readFragment(address) {
  const response = await reach(address, { headers: { Accept: "text/html" } });
  if (!response.ok) throw new Error(`The server answered ${response.status}.`);
  const text = await response.text();
  return new DOMParser().parseFromString(text, "text/html").body.firstElementChild;
}

async function reach(address, options) {
  const offline = document.getElementById("offline");
  try {
    const response = await fetch(address, options);
    offline.hidden = true;
    return response;
  } catch {
    offline.hidden = false;
    throw new Error(ABSENT);
  }
}

export function say(place, message) {
  place.textContent = message;
  place.hidden = !message;
}
