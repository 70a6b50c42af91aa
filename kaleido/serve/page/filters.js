// Filters from the index's columns: a menu each, and the condition that they make together.
import { byId, element, shown } from "./api.js";

const chosen = new Map();   // column -> Set of values, or {low, high}
let columns = [];

const quoted = (value) => (typeof value === "string" ? `'${value.replaceAll("'", "''")}'` : String(value));
const named = (name) => (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`);

export function condition() {
  const parts = [];
  for (const { name } of columns) {
    const value = chosen.get(name);
    if (value instanceof Set && value.size) parts.push(`${named(name)} in (${[...value].map(quoted).join(", ")})`);
    else if (value && !(value instanceof Set)) {
      if (Number.isFinite(value.low)) parts.push(`${named(name)} >= ${value.low}`);
      if (Number.isFinite(value.high)) parts.push(`${named(name)} <= ${value.high}`);
    }
  }
  return parts.join(" and ");
}

// What to search for where filters are all that is given.
export function chosenWords() {
  const values = [...chosen.values()].flatMap((value) => (value instanceof Set ? [...value] : []));
  return values.map(shown).join(" ").slice(0, 500) || "product";
}

// A column of numbers of articles or of whole sentences is nothing to choose from.
export const divides = ({ values }) => values.length > 1 && values[0].count > 1 && values.every(({ value }) => value.length <= 60);

export function buildFilters(found, changed) {
  columns = found.filter((column) => column.type === "number" || divides(column)).slice(0, 12);
  const draw = () => byId("filters").replaceChildren(
    ...columns.map((column) => menu(column, () => { draw1(); changed(); })),
    ...(columns.length ? [clear] : []),
  );
  const draw1 = () => {
    for (const box of byId("filters").querySelectorAll(".filter")) mark(box);
    clear.hidden = !condition();
  };
  const clear = element("button", {
    type: "button", className: "clear", hidden: true,
    onclick: () => { chosen.clear(); draw(); draw1(); changed(); },
  }, "Clear filters");
  draw();
}

function mark(box) {
  const value = chosen.get(box.dataset.column);
  const count = value instanceof Set ? value.size : value ? Number.isFinite(value.low) + Number.isFinite(value.high) : 0;
  box.classList.toggle("on", count > 0);
  box.querySelector("summary").textContent = count && value instanceof Set
    ? `${box.dataset.title}: ${count === 1 ? shown([...value][0]) : count}` : box.dataset.title;
}

function menu(column, changed) {
  const title = column.name.replaceAll("_", " ").replace(/^./, (letter) => letter.toUpperCase());
  const box = element("details", { className: "filter" }, element("summary", {}, title),
    element("div", { className: "menu", role: "group", "aria-label": title },
      ...(column.values?.length ? choices(column, changed) : [range(column, changed)])));
  box.dataset.column = column.name;
  box.dataset.title = title;
  box.addEventListener("toggle", () => {
    if (box.open) for (const other of document.querySelectorAll(".filter[open]")) if (other !== box) other.open = false;
  });
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !box.open) return;
    event.stopPropagation();
    box.open = false;
    box.querySelector("summary").focus();
  });
  return box;
}

function choices(column, changed) {
  return column.values.map(({ value, count }) => element("label", {},
    element("input", {
      type: "checkbox",
      onchange: ({ target }) => {
        const values = chosen.get(column.name) || new Set();
        if (target.checked) values.add(value); else values.delete(value);
        chosen.set(column.name, values);
        changed();
      },
    }),
    element("span", {}, shown(value)),
    count ? element("span", { className: "count" }, count.toLocaleString()) : null));
}

function range(column, changed) {
  let timer;
  const field = (which, label, hint) => element("input", {
    type: "number", step: "any", "aria-label": `${label} ${column.name}`, placeholder: hint ?? label,
    oninput: ({ target }) => {
      chosen.set(column.name, { ...chosen.get(column.name), [which]: target.value === "" ? NaN : Number(target.value) });
      clearTimeout(timer);
      timer = setTimeout(changed, 350);
    },
  });
  return element("div", { className: "range" },
    field("low", "At least", column.minimum ?? null), "to", field("high", "At most", column.maximum ?? null));
}

document.addEventListener("pointerdown", (event) => {
  for (const box of document.querySelectorAll(".filter[open]")) if (!box.contains(event.target)) box.open = false;
});
