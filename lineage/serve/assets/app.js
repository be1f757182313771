// Helpers of every page: elements made of text alone, the API, the words of the page's language.

const words = JSON.parse(document.getElementById("words").textContent);
const lang = document.documentElement.lang;

/** The text `section.key` with its blanks filled in; a blank that is not given stays. */
export const say = (key, values = {}) => {
  const [section, name] = key.split(/\.(.*)/s);
  const table = words[section] || {};
  const text = Object.hasOwn(table, name) ? table[name] : name;
  return text.replace(/\{(\w+)\}/g, (blank, one) => (one in values ? String(values[one]) : blank));
};

/** An element; strings among the children are text, never HTML. */
export const make = (name, attributes = {}, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) { element.addEventListener(key.slice(2), value); }
    else if (value === true) { element.setAttribute(key, ""); }
    else if (value !== false && value !== null && value !== undefined) { element.setAttribute(key, value); }
  }
  element.append(...children.flat().filter((one) => one !== null && one !== undefined));
  return element;
};

/** A name from a model's files, safe against letters that reorder or hide. */
export const name = (text) => make("bdi", { class: "model" }, plain(text));

/** `text` with every character escaped that is not seen or reorders a line. */
export const plain = (text) => String(text).replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu,
  (one) => "\\u{" + one.codePointAt(0).toString(16) + "}");

export const count = (number) => {
  for (const [unit, letter] of [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "K"]]) {
    if (number >= unit) { return (number / unit).toFixed(number / unit < 10 ? 1 : 0) + letter; }
  }
  return String(number);
};

/** The address of a page of this service, in the language of this one. */
export const to = (path, query = {}) => {
  const asked = new URLSearchParams(query);
  const chosen = new URLSearchParams(location.search).get("lang");
  if (chosen) { asked.set("lang", chosen); }
  const text = asked.toString();
  return text ? `${path}?${text}` : path;
};

export const modelLink = (id, text) => make("a", { href: to("/model", { model: id }) }, name(text));
export const asked = (key) => new URLSearchParams(location.search).get(key);
export const main = document.getElementById("content");

/** A text as a question names a checkpoint: an address of the hub, or a path below a folder that the service reads. */
export const reference = (text) => (text.startsWith("hf:") ? { address: text } : { path: text.replace(/^(\.\/+)+/, "") || "." });

const headers = (more) => {
  const token = sessionStorage.getItem("token");
  return token ? { ...more, Authorization: `Bearer ${token}` } : more;
};

/** Ask the API; an error of it is thrown with its line. */
export const call = async (path, options = {}) => {
  const said = await fetch(path, { ...options, headers: headers(options.headers || {}) })
    .catch(() => { throw new Error(say("page.unreachable")); });
  const index = said.headers.get("Lineage-Index");
  if (index) { document.getElementById("index").textContent = say("page.searched", { index }); }
  if (said.ok) { return said; }
  const error = await said.json().catch(() => ({ message: said.statusText }));
  if (said.status === 401) { askToken(); }
  throw new Error(error.message);
};

export const read = async (path) => (await call(path)).json();

/** Ask a question that becomes a job, and go to its page. */
export const ask = async (kind, question) => {
  const said = await call(`/api/${kind}?wait=0`, {
    method: "POST", body: JSON.stringify(question), headers: { "Content-Type": "application/json" },
  });
  location.href = to("/answer", { job: said.headers.get("Lineage-Job") });
};

const askToken = () => {
  if (document.getElementById("token")) { return; }
  const field = make("input", { id: "token", type: "password", autocomplete: "off" });
  const use = (event) => {
    event.preventDefault();
    sessionStorage.setItem("token", field.value.trim());
    location.reload();
  };
  main.prepend(make("form", { class: "note", onsubmit: use },
    make("p", {}, say("page.token_help")),
    make("div", { class: "row" },
      make("div", { class: "grow" }, make("label", { for: "token" }, say("page.token")), field),
      make("button", {}, say("page.token_set")))));
};

/** Show in one line what went wrong. */
export const failed = (error, where = main) => {
  where.append(make("p", { class: "note bad", role: "alert" }, say("page.failed", { message: plain(error.message) })));
};

/** Run what may fail, and show where it did. */
export const trying = (work, where = main) => async (event) => {
  if (event && event.preventDefault) { event.preventDefault(); }
  for (const old of where.querySelectorAll(".note.bad")) { old.remove(); }
  try { await work(event); } catch (error) { failed(error, where); }
};

export const heading = (text) => make("h2", {}, text);
export const facts = (pairs) => make("dl", { class: "facts" },
  pairs.filter(([, value]) => value).map(([key, value]) => make("div", {}, make("dt", {}, key), make("dd", {}, value))));

/** A field with suggestions from the names of the models. */
export const modelField = (id, label, value = "") => {
  const list = make("datalist", { id: `${id}-names` });
  let waiting = 0;
  const suggest = async () => {
    const found = await read(`/api/models?limit=20&search=${encodeURIComponent(input.value)}`).catch(() => ({ models: [] }));
    list.replaceChildren(...found.models.map((one) => make("option", { value: one.name }, one.id.slice(0, 12))));
  };
  const input = make("input", { id, value, list: list.id, required: true, autocomplete: "off", oninput: () => {
    clearTimeout(waiting);
    waiting = setTimeout(suggest, 150);
  } });
  return { input, field: make("div", { class: "field" }, make("label", { for: id }, label), input, list) };
};

document.title = `${main.dataset.title} · lineage`;

// The other language keeps what the page is about.
const other = document.getElementById("language");
const kept = new URLSearchParams(location.search);
kept.set("lang", other.lang);
other.href = `?${kept}`;

const working = make("p", { role: "status" }, say("page.working"));
main.append(working);
import(`./${main.dataset.view}.js`).then((view) => trying(view.show)()).finally(() => {
  working.remove();
  main.dataset.filled = "true";
});
