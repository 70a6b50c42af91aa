// Requests to the server. Everything that comes back is text until `element` puts it on the page as text.

let token = sessionStorage.getItem("kaleido-token") || "";
let askForToken = null;

export function onToken(ask) { askForToken = ask; }

export class Refused extends Error {
  constructor(message, status) { super(message); this.status = status; }
}

async function send(path, options = {}) {
  for (;;) {
    const headers = { ...options.headers };
    if (token) headers.Authorization = `Bearer ${token}`;
    let answer;
    try {
      answer = await fetch(path, { ...options, headers });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refused("The server does not answer. Is it still running?", 0);
    }
    if (answer.status === 401 && askForToken) {
      token = await askForToken(Boolean(token));
      sessionStorage.setItem("kaleido-token", token);
      continue;
    }
    if (answer.ok) return answer;
    const told = await answer.json().catch(() => ({}));
    throw new Refused(told.error || `The server answered with ${answer.status}.`, answer.status);
  }
}

// Asks again a few times where the server is busy.
export async function ask(path, { query = {}, form = null, signal } = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const address = given.length ? `${path}?${new URLSearchParams(given)}` : path;
  for (let tries = 0; ; tries++) {
    try {
      const answer = await send(address, form ? { method: "POST", body: form, signal } : { signal });
      return await answer.json();
    } catch (error) {
      if (error.status !== 429 || tries === 3) throw error;
      await new Promise((wake) => setTimeout(wake, 400 * 2 ** tries));
      signal?.throwIfAborted();
    }
  }
}

// Shows a photo of the index; with a token it is fetched, since an <img> cannot send one.
export async function showPhoto(image, key, signal) {
  const address = `api/thumbnail?${new URLSearchParams({ photo: key })}`;
  image.addEventListener("load", () => {
    image.classList.add("here");
    if (image.src.startsWith("blob:")) URL.revokeObjectURL(image.src);
  }, { once: true });
  if (!token) { image.src = address; return; }
  try {
    image.src = URL.createObjectURL(await (await send(address, { signal })).blob());
  } catch { /* the tile stays empty */ }
}

// Makes an element; children are elements or text.
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && name !== "list") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export const byId = (name) => document.getElementById(name);

// A value of a column for people.
export function shown(value) {
  if (Array.isArray(value)) return value.map(shown).filter(Boolean).join(", ");
  if (typeof value === "number" && !Number.isInteger(value)) return String(Math.round(value * 100) / 100);
  return value === null || value === undefined ? "" : String(value);
}
