// The search page: what is asked for, the results, and the keyboard.
import { ask, byId, element, onToken, showPhoto, shown } from "./api.js";
import { openDetails } from "./details.js";
import { buildFilters, chosenWords, condition, divides } from "./filters.js";

const PAGE = 24, PAUSE = 180, LARGEST_SIDE = 1600;
const state = { text: "", photo: null, similar: null, top: PAGE };
let info = null;
let number = 0;                       // of the latest question; answers to earlier ones are dropped
let running = new AbortController();
let timer = null;

const words = byId("words"), grid = byId("grid"), status = byId("status");

function say(text, wrong = false) {
  status.textContent = text;
  status.classList.toggle("wrong", wrong);
}

function later() {
  clearTimeout(timer);
  timer = setTimeout(search, PAUSE);
}

async function search() {
  clearTimeout(timer);
  running.abort();
  running = new AbortController();
  const mine = ++number, signal = running.signal;
  const where = condition();
  remember();
  if (!state.text && !state.photo && !state.similar && !where) {
    byId("welcome").hidden = false;
    byId("more").hidden = true;
    grid.replaceChildren();
    say("");
    return;
  }
  byId("welcome").hidden = true;
  grid.classList.add("old");
  grid.setAttribute("aria-busy", "true");
  const slow = setTimeout(() => say("Searching…"), 700);
  try {
    const found = await question(where, signal);
    if (mine !== number) return;
    draw(found.hits);
    const count = found.hits.length;
    const told = count ? `${count} ${count === 1 ? "product" : "products"}, ${Math.max(1, Math.round(found.milliseconds))} ms`
      : "Nothing found. Fewer filters may help.";
    say([told, ...found.notes].join("; "));
    byId("more").hidden = count < state.top || state.top >= info.limits.results;
  } catch (error) {
    if (error.name === "AbortError" || mine !== number) return;
    say(error.message, true);
    grid.replaceChildren();
    byId("more").hidden = true;
  } finally {
    clearTimeout(slow);
    if (mine === number) {
      grid.classList.remove("old");
      grid.removeAttribute("aria-busy");
    }
  }
}

function question(where, signal) {
  const top = Math.min(state.top, info.limits.results);
  if (state.similar) return ask("api/similar", { query: { id: state.similar.id, where, top }, signal });
  if (!state.photo) return ask("api/search", { query: { text: state.text || chosenWords(), where, top }, signal });
  const form = new FormData();
  form.append("photo", state.photo, "photo");
  if (state.text) form.append("text", state.text);
  if (where) form.append("where", where);
  form.append("top", top);
  return ask("api/search", { form, signal });
}

// The words stay in the address, so that a search can be sent to someone and the back button works.
function remember() {
  const address = new URL(location);
  address.search = state.text && !state.photo ? new URLSearchParams({ q: state.text }) : "";
  if (address.href !== location.href) history.replaceState(null, "", address);
}

function draw(hits) {
  const focused = document.activeElement?.closest?.(".item")?.dataset.id;
  grid.replaceChildren(...hits.map(item));
  const cards = [...grid.querySelectorAll(".card")];
  const again = cards.find((card) => card.parentElement.dataset.id === focused);
  rove(cards, again || cards[0]);
  if (again) again.focus({ preventScroll: true });
}

// Tiles get the usual shape of the catalogue's photos, once the first of them are known.
const shapes = [];
function learnShape({ target }) {
  if (shapes.length === 6) return;
  shapes.push(target.naturalWidth / target.naturalHeight);
  const middle = [...shapes].sort((a, b) => a - b)[Math.floor(shapes.length / 2)];
  grid.style.setProperty("--shape", Math.min(1.2, Math.max(0.66, middle)));
}

function item(hit) {
  const image = element("img", { alt: "", loading: "lazy", decoding: "async", onload: learnShape });
  if (hit.photo) showPhoto(image, hit.photo, running.signal);
  const about = info.columns.filter(divides).map((column) => shown(hit.fields[column.name])).filter(Boolean);
  const match = hit.match === null ? "" : `${Math.round(hit.match * 100)} % match`;
  const made = element("li", { className: "item" },
    element("button", { type: "button", className: "card", tabIndex: -1, onclick: () => openDetails(hit, state.similar ? "" : state.text, info, similar) },
      element("span", { className: "tile" }, image),
      element("span", { className: "name" }, hit.title || hit.id),
      element("span", { className: "meta" }, [match, ...new Set(about)].filter(Boolean).slice(0, 3).join(" · "))),
    element("button", {
      type: "button", className: "similar", tabIndex: -1, "aria-label": `Products similar to ${hit.title || hit.id}`,
      onclick: () => similar(hit),
    }, "Similar"));
  made.dataset.id = hit.id;
  return made;
}

// One card is in the order of the Tab key; the arrows move it.
function rove(cards, to) {
  for (const card of cards) for (const button of card.parentElement.children) button.tabIndex = card === to ? 0 : -1;
}

grid.addEventListener("keydown", (event) => {
  const cards = [...grid.querySelectorAll(".card")];
  const place = cards.indexOf(event.target.closest(".item")?.querySelector(".card"));
  if (place < 0) return;
  const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
  const moves = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -place, End: cards.length - 1 - place };
  if (!(event.key in moves)) return;
  event.preventDefault();
  const next = place + moves[event.key];
  if (event.key === "ArrowUp" && next < 0) { words.focus(); return; }
  const card = cards[Math.max(0, Math.min(cards.length - 1, next))];
  rove(cards, card);
  card.focus();
});
grid.addEventListener("focusin", (event) => {
  const card = event.target.closest(".item")?.querySelector(".card");
  if (card) rove([...grid.querySelectorAll(".card")], card);
});

function similar(hit) {
  state.similar = hit;
  state.top = PAGE;
  byId("similar-chip").hidden = false;
  byId("similar-name").textContent = `Similar to ${hit.title || hit.id}`;
  scrollTo({ top: 0 });
  grid.focus({ preventScroll: true });
  search();
}

function noLongerSimilar() {
  state.similar = null;
  byId("similar-chip").hidden = true;
}

words.addEventListener("input", () => {
  state.text = words.value.trim();
  state.top = PAGE;
  noLongerSimilar();
  later();
});
words.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown") {
    const card = grid.querySelector(".card[tabindex='0']");
    if (card) { event.preventDefault(); card.focus(); }
  } else if (event.key === "Escape" && (words.value || state.similar)) {
    event.preventDefault();
    words.value = state.text = "";
    noLongerSimilar();
    search();
  }
});
byId("search").addEventListener("submit", (event) => { event.preventDefault(); search(); });
byId("similar-away").addEventListener("click", () => { noLongerSimilar(); words.focus(); search(); });
byId("more").addEventListener("click", () => { state.top += PAGE; search(); });
document.addEventListener("keydown", (event) => {
  const writing = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName) || document.querySelector("dialog[open]");
  if (event.key === "/" && !writing && !event.ctrlKey && !event.metaKey) { event.preventDefault(); words.focus(); words.select(); }
});

// Photos: chosen, dropped or pasted.

async function take(file) {
  if (!file) return;
  if (!info.can.photo) { say("This index's model does not read photos.", true); return; }
  state.photo = await smaller(file);
  if (state.photo.size > info.limits.upload_bytes) {
    state.photo = null;
    say(`The photo is too large: at most ${Math.floor(info.limits.upload_bytes / 1e6)} MB are taken.`, true);
    return;
  }
  const shownPhoto = byId("photo-shown");
  URL.revokeObjectURL(shownPhoto.src);
  shownPhoto.src = URL.createObjectURL(state.photo);
  byId("photo-chip").hidden = false;
  words.placeholder = "Add words: in blue, with long sleeves …";
  state.top = PAGE;
  noLongerSimilar();
  search();
}

// A phone's photo is sent at a size that search needs; what the browser cannot read goes as it is.
async function smaller(file) {
  if (file.size < 1.5e6) return file;
  try {
    const bitmap = await createImageBitmap(file);
    const factor = Math.min(1, LARGEST_SIDE / Math.max(bitmap.width, bitmap.height));
    const canvas = element("canvas", { width: Math.round(bitmap.width * factor), height: Math.round(bitmap.height * factor) });
    canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    return (await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92))) || file;
  } catch { return file; }
}

byId("file").addEventListener("change", ({ target }) => { take(target.files[0]); target.value = ""; });
byId("photo-away").addEventListener("click", () => {
  state.photo = null;
  byId("photo-chip").hidden = true;
  words.placeholder = "Describe what you are looking for";
  words.focus();
  search();
});
document.addEventListener("paste", (event) => {
  const file = [...(event.clipboardData?.files || [])].find((one) => one.type.startsWith("image/"));
  if (file) { event.preventDefault(); take(file); }
});
let inside = 0;
const carriesFile = (event) => event.dataTransfer?.types.includes("Files");
document.addEventListener("dragenter", (event) => { if (carriesFile(event)) { inside++; byId("dropping").hidden = false; } });
document.addEventListener("dragleave", (event) => { if (carriesFile(event) && --inside <= 0) { inside = 0; byId("dropping").hidden = true; } });
document.addEventListener("dragover", (event) => { if (carriesFile(event)) event.preventDefault(); });
document.addEventListener("drop", (event) => {
  if (!carriesFile(event)) return;
  event.preventDefault();
  inside = 0;
  byId("dropping").hidden = true;
  take(event.dataTransfer.files[0]);
});

onToken((wrong) => new Promise((done) => {
  const dialog = byId("ask");
  byId("ask-note").textContent = wrong ? "The server does not accept this token." : "It was set when the server was started.";
  byId("token").value = "";
  if (!dialog.open) dialog.showModal();
  byId("ask-form").onsubmit = () => done(byId("token").value.trim());
}));
byId("ask").addEventListener("cancel", (event) => event.preventDefault());

async function start() {
  try {
    info = await ask("api/info");
  } catch (error) {
    say(error.message, true);
    return;
  }
  const count = info.products === null ? "" : `${info.products.toLocaleString()} products`;
  byId("about").textContent = [info.name, count].filter(Boolean).join(" · ");
  document.title = `${info.name} · Kaleido`;
  byId("choose").hidden = !info.can.photo;
  byId("hint").hidden = !info.can.photo;
  byId("welcome-text").textContent = `Search ${count || "the catalogue"} by words${info.can.photo ? ", by a photo, or by both" : ""}.`;
  byId("examples").replaceChildren(...info.examples.map((text) => element("button", {
    type: "button", className: "button", onclick: () => { words.value = state.text = text; words.focus(); search(); },
  }, text)));
  buildFilters(info.columns, () => { state.top = PAGE; search(); });
  state.text = words.value = new URLSearchParams(location.search).get("q")?.slice(0, 2000) || words.value;
  search();
}

start();
