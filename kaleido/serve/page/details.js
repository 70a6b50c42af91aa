// One product: its photos, columns, caption, predicted labels, and why it was found.
import { ask, byId, element, showPhoto, shown } from "./api.js";

const dialog = byId("details");
const photo = byId("details-photo");
let current = null;   // {id, photo, text}
let stop = new AbortController();

export async function openDetails(hit, text, info, showSimilar) {
  stop.abort();
  stop = new AbortController();
  const signal = stop.signal;
  current = { id: hit.id, key: hit.photo, text: text || hit.title };
  byId("details-id").textContent = hit.id;
  byId("details-title").textContent = hit.title || hit.id;
  byId("details-why").hidden = !info.can.why || !current.text;
  byId("details-similar").onclick = () => { dialog.close(); showSimilar(hit); };
  byId("details-why").onclick = () => explain(signal);
  for (const name of ["caption", "labels", "why"]) byId(name).hidden = true;
  forget();
  photo.alt = hit.title;
  show(hit.photo);
  byId("strip").replaceChildren();
  fill(hit.fields);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  try {
    const product = await ask("api/product", { query: { id: hit.id }, signal });
    fill(product.fields);
    strip(product.photos);
    if (info.can.caption || info.can.classify.length) {
      const predicted = await ask("api/product", { query: { id: hit.id, predict: true }, signal });
      if (predicted.caption) byId("caption").textContent = `“${predicted.caption}”`;
      byId("caption").hidden = !predicted.caption;
      predictions(predicted.labels || {});
    }
  } catch (error) {
    if (error.name !== "AbortError") note(error.message);
  }
}

function show(key) {
  photo.removeAttribute("src");
  current.key = key;
  if (key) showPhoto(photo, key, stop.signal);
}

function strip(keys) {
  if (keys.length < 2) return;
  byId("strip").replaceChildren(...keys.map((key, place) => {
    const image = element("img", { alt: "", loading: "lazy" });
    showPhoto(image, key, stop.signal);
    return element("button", {
      type: "button", "aria-label": `Photo ${place + 1}`, "aria-pressed": String(key === current.key),
      onclick: ({ currentTarget }) => {
        for (const other of byId("strip").children) other.setAttribute("aria-pressed", String(other === currentTarget));
        forget();
        show(key);
      },
    }, image);
  }));
}

function fill(fields) {
  const rows = Object.entries(fields).map(([name, value]) => [name, shown(value)]).filter(([, value]) => value);
  byId("column-list").replaceChildren(...rows.flatMap(([name, value]) =>
    [element("dt", {}, name.replaceAll("_", " ")), element("dd", {}, value)]));
  byId("columns").hidden = !rows.length;
}

function predictions(labels) {
  const kinds = Object.entries(labels);
  byId("label-list").replaceChildren(...kinds.flatMap(([kind, found]) => [
    element("p", { className: "kind" }, kind.replaceAll("_", " ")),
    ...found.map(({ label, probability }) => element("div", { className: "predicted" },
      element("span", {}, label),
      element("meter", { min: 0, max: 1, value: probability, "aria-label": label }),
      element("output", {}, `${Math.round(probability * 100)} %`))),
  ]));
  byId("labels").hidden = !kinds.length;
}

function forget() {
  byId("marks").replaceChildren();
  byId("why").hidden = true;
  byId("details-why").setAttribute("aria-expanded", "false");
}

function note(text) {
  byId("why").hidden = false;
  byId("why-note").textContent = text;
}

async function explain(signal) {
  const button = byId("details-why");
  if (button.getAttribute("aria-expanded") === "true") { forget(); return; }
  button.setAttribute("aria-expanded", "true");
  byId("why-words").replaceChildren();
  note("Looking…");
  try {
    const found = await ask("api/why", { query: { id: current.id, photo: current.key, text: current.text }, signal });
    draw(found);
  } catch (error) {
    if (error.name !== "AbortError") note(error.message);
  }
}

// Pairs come heaviest first. Words darker the more they counted; patches drawn on the photo, those of one word where it is chosen.
function draw(found) {
  const most = Math.max(...found.words.map((word) => Math.abs(word.weight)), 1e-9);
  const heaviest = (pairs) => {
    const seen = new Map(pairs.map((pair) => [pair.patch, pair]).reverse());
    return pairs.filter((pair) => seen.get(pair.patch) === pair && pair.weight > 0).slice(0, 4)
      .map((pair) => ({ ...found.patches[pair.patch], weight: pair.weight }));
  };
  const overall = () => mark(heaviest(found.pairs), found);
  const words = found.words.map((word, place) => {
    const made = element("button", {
      type: "button", className: "word", "aria-pressed": "false",
      onclick: () => {
        const pressed = made.getAttribute("aria-pressed") === "true";
        for (const other of words) other.setAttribute("aria-pressed", "false");
        if (pressed) { overall(); return; }
        made.setAttribute("aria-pressed", "true");
        mark(heaviest(found.pairs.filter((pair) => pair.word === place)), found);
      },
    }, word.word);
    made.style.setProperty("--weight", `${Math.round(65 * Math.max(0, word.weight) / most)}%`);
    return made;
  });
  byId("why-words").replaceChildren(...words);
  overall();
  note("Darker words counted more. Choose one to see the patches that go with it.");
}

function mark(patches, found) {
  const marks = byId("marks");
  const most = Math.max(...patches.map((patch) => patch.weight), 1e-9);
  marks.setAttribute("viewBox", `0 0 ${found.width} ${found.height}`);
  marks.replaceChildren(...patches.map(({ box: [left, top, right, bottom], weight }) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const values = { x: left, y: top, width: right - left, height: bottom - top, "fill-opacity": 0.08 + 0.22 * weight / most };
    for (const [name, value] of Object.entries(values)) made.setAttribute(name, value);
    return made;
  }));
  fit();
}

// Lays the marks over the photo as it is drawn.
function fit() {
  const marks = byId("marks");
  marks.style.left = `${photo.offsetLeft}px`;
  marks.style.top = `${photo.offsetTop}px`;
  marks.style.width = `${photo.offsetWidth}px`;
  marks.style.height = `${photo.offsetHeight}px`;
}

new ResizeObserver(fit).observe(photo);
byId("details-close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("close", () => { stop.abort(); photo.removeAttribute("src"); });
