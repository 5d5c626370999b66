// Lists the operations of /openapi.json and calls them. Texts go into the page as text, never as markup.
const list = document.getElementById("operations");
const token = document.getElementById("token");
const filter = document.getElementById("filter");

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function resolve(api, schema) {
  const name = schema?.$ref?.split("/").pop();
  return name ? api.components.schemas[name] : schema;
}

// A body to begin with: every field with its example or an empty value.
function sample(api, schema, depth = 0) {
  const s = resolve(api, schema) ?? {};
  if (s.examples) return s.examples[0];
  if (s.enum) return s.enum[0];
  if (s.type === "object" && depth < 4) {
    const fields = Object.entries(s.properties ?? {});
    return Object.fromEntries(fields.map(([name, field]) => [name, sample(api, field, depth + 1)]));
  }
  return { array: [], boolean: false, integer: 0, number: 0, object: {} }[s.type] ?? "";
}

function row(parameter, id) {
  const input = element("input", { id, autocomplete: "off", spellcheck: "false" });
  if (parameter.required) input.required = true;
  const about = parameter.schema?.enum ? `${parameter.description} (${parameter.schema.enum.join(", ")})` : parameter.description;
  const label = element("label", { for: id }, `${parameter.name}${parameter.required ? " *" : ""}`);
  return { parameter, input, view: element("div", { class: "row" }, label, input, element("small", {}, about ?? "")) };
}

// Events as they come; of a long stream the end.
async function read(body, out, head) {
  const most = 100_000;
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    text = (text + part.value).slice(-most);
    out.textContent = `${head}\n\n${text}`;
  }
  out.textContent += "(the server has ended the stream)";
}

async function call(verb, path, rows, body, out, signal) {
  const query = new URLSearchParams();
  const headers = new Headers();
  let address = path;
  for (const { parameter, input } of rows) {
    const value = input.value;
    if (parameter.in === "path") address = address.replace(`{${parameter.name}}`, encodeURIComponent(value));
    else if (value === "") continue;
    else if (parameter.in === "header") headers.set(parameter.name, value);
    else if (parameter.schema?.type === "array") value.split(",").forEach((v) => query.append(parameter.name, v.trim()));
    else query.append(parameter.name, value);
  }
  if (token.value) headers.set("authorization", `Bearer ${token.value.trim()}`);
  const text = body?.value.trim();
  if (text) headers.set("content-type", "application/json");
  const url = query.size ? `${address}?${query}` : address;
  out.hidden = false;
  out.textContent = `${verb} ${url} …`;
  const begun = performance.now();
  try {
    const answer = await fetch(url, { method: verb, headers, body: text || undefined, cache: "no-store", credentials: "omit", signal });
    const took = Math.round(performance.now() - begun);
    const shown = ["etag", "retry-after", "x-request-id"].filter((h) => answer.headers.has(h)).map((h) => `${h}: ${answer.headers.get(h)}`);
    const head = [`${answer.status} ${answer.statusText} (${took} ms)`, ...shown].join("\n");
    if (answer.headers.get("content-type") === "text/event-stream") return await read(answer.body, out, head);
    let content = await answer.text();
    try {
      const json = JSON.parse(content);
      content = JSON.stringify(json, null, 2);
      // Whoever logs in here goes on as who they are.
      if (json.tokens?.accessToken) remember(json.tokens.accessToken);
    } catch {
      // Not every answer is JSON.
    }
    out.textContent = `${head}\n\n${content}`;
  } catch (error) {
    if (signal?.aborted) out.textContent += "(stopped)";
    else out.textContent = `The server cannot be reached: ${error.message}`;
  }
}

function fill(api, inner, verb, path, operation) {
  const rows = (operation.parameters ?? []).map((p, i) => row(p, `${operation.operationId}-${i}`));
  const schema = operation.requestBody?.content["application/json"].schema;
  const form = element("form", {}, ...rows.map((r) => r.view));
  let body;
  if (schema) {
    const id = `${operation.operationId}-body`;
    body = element("textarea", { id, spellcheck: "false" });
    body.value = JSON.stringify(sample(api, schema), null, 2);
    form.append(element("label", { for: id }, "Body"), body);
  }
  const out = element("pre", { tabindex: "0", "aria-label": "Answer" });
  out.hidden = true;
  const streams = "text/event-stream" in (operation.responses[200].content ?? {});
  const stop = element("button", { type: "button" }, "Stop");
  stop.hidden = true;
  let running;
  stop.addEventListener("click", () => running.abort());
  form.append(element("button", {}, "Send"), stop);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    running?.abort();
    const mine = new AbortController();
    running = mine;
    stop.hidden = !streams;
    await call(verb, path, rows, body, out, mine.signal);
    if (running === mine) stop.hidden = true;
  });
  inner.append(element("p", { class: "comment" }, operation.description ?? ""), form, out);
}

function remember(value) {
  token.value = value;
  sessionStorage.setItem("token", value);
}

function show(api) {
  list.replaceChildren();
  for (const tag of api.tags) {
    const section = element("section", {}, element("h2", {}, tag.name));
    for (const [path, operations] of Object.entries(api.paths)) {
      for (const [verb, operation] of Object.entries(operations)) {
        if (!operation.tags.includes(tag.name)) continue;
        const inner = element("div", { class: "inner" });
        const line = element("summary", {},
          element("span", { class: "verb" }, verb.toUpperCase()),
          element("span", { class: "path" }, path),
          element("span", { class: "about" }, operation.summary ?? ""));
        const item = element("details", { "data-text": `${verb} ${path} ${operation.operationId}`.toLowerCase() }, line, inner);
        item.addEventListener("toggle", () => fill(api, inner, verb.toUpperCase(), path, operation), { once: true });
        section.append(item);
      }
    }
    list.append(section);
  }
}

token.value = sessionStorage.getItem("token") ?? "";
token.addEventListener("input", () => remember(token.value));
filter.addEventListener("input", () => {
  for (const item of list.querySelectorAll("details")) item.hidden = !item.dataset.text.includes(filter.value.toLowerCase());
});
try {
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  show(await answer.json());
} catch (error) {
  list.replaceChildren(element("p", {}, `/openapi.json cannot be read: ${error.message}`));
}
