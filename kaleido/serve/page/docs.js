// A page over openapi.json: what each operation takes, and a form to try it.
import { byId, element } from "./api.js";

const description = await (await fetch("openapi.json")).json();
byId("about").textContent = `version ${description.info.version}`;
byId("intro").textContent = description.info.description;
byId("token").value = sessionStorage.getItem("kaleido-token") || "";

const resolve = (schema) => (schema?.$ref ? description.components.schemas[schema.$ref.split("/").pop()] : schema) || {};

function typeOf(schema) {
  const known = resolve(schema);
  if (known.anyOf) return known.anyOf.map(typeOf).filter((name) => name !== "null").join(" or ");
  if (known.format === "binary") return "file";
  return known.type === "array" ? `list of ${typeOf(known.items)}` : known.type || "";
}

function field(name, schema, required, told) {
  const kind = typeOf(schema);
  const input = element(kind.startsWith("list") ? "textarea" : "input", { name, required });
  if (input.tagName === "INPUT") input.type = kind === "file" ? "file" : "text";
  const known = resolve(schema);
  const notes = [kind, required ? "required" : "", known.default === undefined ? "" : `default ${known.default}`].filter(Boolean);
  return element("label", {}, element("span", {}, name, " ", element("small", {}, notes.join(", "))), input,
    element("small", {}, told || known.description || ""));
}

function operation(path, method, about) {
  const parameters = about.parameters || [];
  const content = about.requestBody?.content?.["multipart/form-data"];
  const body = resolve(content?.schema);
  const fields = [
    ...parameters.map((one) => field(one.name, one.schema, one.required, one.description)),
    ...Object.entries(body.properties || {}).map(([name, schema]) => field(name, schema, body.required?.includes(name))),
  ];
  const command = element("pre", { hidden: true });
  const answer = element("div", { className: "answer" });
  const form = element("form", {
    onsubmit: async (event) => {
      event.preventDefault();
      const values = [...new FormData(form)].filter(([, value]) => (value instanceof File ? value.size : value !== ""));
      await run(path, method, values, Boolean(content), command, answer);
    },
  }, ...(about.description ? [element("small", {}, about.description)] : []), ...fields,
  element("div", {}, element("button", { className: "button" }, "Send")), command, answer);
  return element("details", { className: "operation" },
    element("summary", {}, element("span", { className: "method" }, method.toUpperCase()),
      element("span", { className: "path" }, path), element("span", { className: "purpose" }, about.summary || "")), form);
}

const word = (text) => `'${text.replaceAll("'", "'\\''")}'`;

async function run(path, method, values, sendsForm, command, answer) {
  const token = byId("token").value.trim();
  const options = { method: method.toUpperCase(), headers: token ? { Authorization: `Bearer ${token}` } : {} };
  const words = ["curl", ...(token ? ["-H", word("Authorization: Bearer TOKEN")] : [])];
  const address = new URL(path.slice(1), location.href);
  if (sendsForm) {
    options.body = new FormData();
    for (const [name, value] of values) {
      options.body.append(name, value);
      words.push("-F", word(value instanceof File ? `${name}=@${value.name}` : `${name}=${value}`));
    }
  } else address.search = new URLSearchParams(values);
  command.textContent = [...words, word(address.href)].join(" ");
  command.hidden = false;
  answer.replaceChildren("…");
  try {
    const got = await fetch(address, options);
    const type = got.headers.get("content-type") || "";
    if (type.startsWith("image/")) {
      answer.replaceChildren(element("img", { src: URL.createObjectURL(await got.blob()), alt: "The answer" }));
      return;
    }
    const text = type.includes("json") ? JSON.stringify(await got.json(), null, 2) : await got.text();
    answer.replaceChildren(element("pre", {}, `${got.status}\n${text.slice(0, 20000)}`));
  } catch (error) {
    answer.replaceChildren(element("pre", {}, error.message));
  }
}

byId("operations").append(...Object.entries(description.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, about]) => operation(path, method, about))));
