// Draws /openapi.json: the operations by tag, then the schemas that they name.
// Texts are only ever set as texts, never as HTML.

const METHODS = ["get", "post", "put", "patch", "delete"];
const main = document.getElementById("main");
const index = document.getElementById("index");
const find = document.getElementById("find");

/** An element with these attributes and children; a child that is a string is a text. */
function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children.flat().filter((child) => child !== null && child !== ""));
  return element;
}

/** A text in which `this` is code. */
function prose(text) {
  return text.split("`").map((part, at) => (at % 2 ? el("code", {}, part) : part));
}

function table(head, rows) {
  return el("table", {},
    el("thead", {}, el("tr", {}, head.map((cell) => el("th", { scope: "col" }, cell)))),
    el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell) => el("td", {}, cell))))));
}

const anchor = (schema) => `schema-${schema}`;
const named = (reference) => reference.split("/").pop();

/** What a schema is, in a few words; the name of one that stands by itself is a link. */
function kind(schema) {
  if (!schema || !Object.keys(schema).length) return ["anything"];
  if (schema.$ref) return [el("a", { href: `#${anchor(named(schema.$ref))}` }, named(schema.$ref))];
  if (schema.enum) return [schema.enum.map((value) => JSON.stringify(value)).join(" | ")];
  const choices = schema.oneOf ?? schema.anyOf?.filter((choice) => choice.type || choice.$ref);
  if (choices?.length) return choices.flatMap((choice, at) => (at ? [" | ", ...kind(choice)] : kind(choice)));
  if (schema.type === "array") return ["list of ", ...kind(schema.items)];
  const type = [schema.type ?? "object"].flat().join(" | ");
  return [schema.format ? `${type} (${schema.format})` : type];
}

/** The fields of a schema, one a row. */
function fields(schema) {
  const parts = [schema, ...(schema.allOf ?? [])];
  const required = new Set(parts.flatMap((part) => part.required ?? []));
  const all = parts.flatMap((part) => Object.entries(part.properties ?? {}));
  const either = (schema.anyOf ?? []).flatMap((part) => part.required ?? []);
  return table(["Field", "Type", "", "Meaning"], all.map(([name, field]) => [
    el("code", {}, name),
    kind(field),
    required.has(name) ? "required" : either.includes(name) ? "one of these" : "optional",
    prose(field.description ?? ""),
  ]));
}

/** A value that fits a schema. */
function example(schema) {
  const value = schema.examples?.[0] ?? schema.example;
  if (value !== undefined) return value;
  const type = [schema.type].flat()[0];
  return { boolean: true, integer: 1, array: [] }[type] ?? "…";
}

/** How the operation is asked from a shell. */
function curl(path, method, operation) {
  const parameters = operation.parameters ?? [];
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => {
    const schema = parameters.find((known) => known.name === name)?.schema ?? {};
    return schema.examples?.[0] ?? name.toUpperCase();
  });
  const query = parameters.filter((known) => known.in === "query" && known.required)
    .map((known) => `${known.name}=${encodeURIComponent(example(known.schema))}`).join("&");
  const lines = [`curl${method === "get" ? "" : ` -X ${method.toUpperCase()}`} '${location.origin}${filled}${query && `?${query}`}'`];
  const schemes = operation.security.flatMap((scheme) => Object.keys(scheme));
  if (schemes.includes("bearer")) lines.push(`-H "Authorization: Bearer $TOKEN"`);
  else if (schemes.includes("serviceKey")) lines.push(`-H "Authorization: Bearer $SERVICE_KEY"`);
  const [media, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  if (content) {
    const { properties, required = [], anyOf = [] } = content.schema;
    const wanted = [...(anyOf[0]?.required ?? []), ...required];
    const names = wanted.length ? wanted : Object.keys(properties);
    const body = Object.fromEntries(names.map((name) => [name, example(properties[name])]));
    if (media === "application/json") {
      lines.push(`-H 'Content-Type: application/json'`, `-d '${JSON.stringify(body)}'`);
    } else {
      lines.push(...names.map((name) => `--data-urlencode '${name}=${body[name]}'`));
    }
  }
  return el("pre", { tabindex: "0" }, lines.join(" \\\n  "));
}

function asks(operation) {
  const parts = [];
  const parameters = operation.parameters ?? [];
  if (parameters.length) {
    parts.push(el("h4", {}, "Parameters"), table(["Name", "In", "Type", "", "Meaning"], parameters.map((known) => [
      el("code", {}, known.name), known.in, kind(known.schema), known.required ? "required" : "optional",
      prose(known.description ?? known.schema.description ?? ""),
    ])));
  }
  for (const [media, { schema }] of Object.entries(operation.requestBody?.content ?? {})) {
    parts.push(el("h4", {}, `Body, ${media}`), fields(schema));
  }
  return parts;
}

function answers(operation, examples) {
  const done = [];
  const refused = [];
  for (const [status, response] of Object.entries(operation.responses)) {
    for (const [media, content] of Object.entries(response.content ?? { "": {} })) {
      if (media !== "application/problem+json") {
        const body = content.schema ? kind(content.schema) : [media];
        done.push([status, body, prose(response.description)]);
        continue;
      }
      for (const { $ref } of Object.values(content.examples)) {
        const { code, title } = examples[named($ref)].value;
        refused.push([status, el("code", {}, code), title]);
      }
    }
  }
  return [
    el("h4", {}, "Answers"), table(["Status", "Body", "Meaning"], done),
    el("details", {}, el("summary", {}, `Refusals (${refused.length})`), table(["Status", "Code", "Meaning"], refused)),
  ];
}

function allowed(operation) {
  const names = { cookie: "access cookie", bearer: "access token", serviceKey: "service key" };
  const schemes = operation.security.flatMap((scheme) => Object.keys(scheme)).map((name) => names[name] ?? name);
  return el("p", { class: "quiet" }, schemes.length ? `Asked with: ${schemes.join(" or ")}` : "Anyone may ask");
}

function heading(method, path) {
  return [el("span", { class: `method ${method}` }, method.toUpperCase()), el("code", {}, path)];
}

function draw(api) {
  const entries = [];
  const tags = new Map(api.tags.map((tag) => [tag.name, { ...tag, operations: [] }]));
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((name) => methods[name])) {
      tags.get(methods[method].tags[0]).operations.push({ path, method, operation: methods[method] });
    }
  }
  main.replaceChildren(el("p", {}, prose(api.info.description)), el("p", { class: "quiet" },
    `Version ${api.info.version}. For programs: `, el("a", { href: "/openapi.json" }, "/openapi.json")));
  for (const tag of tags.values()) {
    if (!tag.operations.length) continue;
    const list = el("ul");
    index.append(el("h2", {}, tag.name), list);
    main.append(el("h2", {}, tag.name), el("p", {}, prose(tag.description)));
    for (const { path, method, operation } of tag.operations) {
      const section = el("section", { id: operation.operationId },
        el("h3", {}, heading(method, path)),
        el("p", { class: "summary" }, operation.summary),
        operation.description ? el("p", {}, prose(operation.description)) : "",
        allowed(operation), asks(operation), curl(path, method, operation),
        answers(operation, api.components.examples));
      const item = el("li", {}, el("a", { href: `#${operation.operationId}`, title: operation.summary }, heading(method, path)));
      list.append(item);
      main.append(section);
      entries.push({ parts: [section, item], text: section.textContent.toLowerCase() });
    }
  }
  const list = el("ul");
  index.append(el("h2", {}, "Schemas"), list);
  main.append(el("h2", {}, "Schemas"));
  for (const [name, schema] of Object.entries(api.components.schemas)) {
    const section = el("section", { id: anchor(name) },
      el("h3", {}, el("code", {}, name)),
      schema.description ? el("p", {}, prose(schema.description)) : "",
      schema.properties ? fields(schema) : el("p", {}, kind(schema)));
    const item = el("li", {}, el("a", { href: `#${anchor(name)}` }, el("code", {}, name)));
    list.append(item);
    main.append(section);
    entries.push({ parts: [section, item], text: section.textContent.toLowerCase() });
  }
  find.addEventListener("input", () => {
    const words = find.value.toLowerCase().split(/\s+/);
    for (const { parts, text } of entries) {
      const hidden = !words.every((word) => text.includes(word));
      for (const part of parts) part.hidden = hidden;
    }
  });
  // What the address names was not there when the browser looked for it.
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

try {
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  draw(await answer.json());
} catch (error) {
  document.getElementById("status")?.replaceChildren(`/openapi.json can't be read: ${error.message}`);
}
