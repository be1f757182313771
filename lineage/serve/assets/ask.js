// The first page: a sketch is sent, a safetensors file is only looked at, an address is asked about.

import { ask, call, count, facts, main, make, plain, say, trying } from "./app.js";

const MOST_HEADER = 32 << 20;
const command = (file) => make("pre", { tabindex: "0" }, make("code", {}, `lineage sketch ${quoted(file)} -o model.sketch`));
const quoted = (text) => (/^[\w./-]+$/.test(text) ? text : `'${plain(text).replaceAll("'", "'\\''")}'`);

/** What the header of a safetensors file says; nothing behind it is read. */
const header = async (file) => {
  const start = new DataView(await file.slice(0, 8).arrayBuffer());
  const length = start.byteLength === 8 ? start.getBigUint64(0, true) : 0n;
  if (length < 2n || length > BigInt(Math.min(file.size - 8, MOST_HEADER))) { return null; }
  try {
    const { __metadata__: metadata, ...tensors } = JSON.parse(await file.slice(8, 8 + Number(length)).text());
    const shapes = Object.values(tensors).map((one) => one.shape);
    if (!shapes.length || !shapes.every((shape) => Array.isArray(shape))) { return null; }
    const params = shapes.reduce((sum, shape) => sum + shape.reduce((product, n) => product * n, 1), 0);
    return { tensors: shapes.length, params, metadata: metadata || {} };
  } catch { return null; }
};

const preview = async (file, place) => {
  const found = await header(file);
  if (!found) {
    place.replaceChildren(make("p", { class: "note bad", role: "alert" }, say("ask.not_preview", { name: plain(file.name) })));
    return;
  }
  const told = Object.entries(found.metadata).slice(0, 12).map(([key, value]) => [plain(key), plain(String(value).slice(0, 200))]);
  place.replaceChildren(make("div", { class: "note", id: "preview" },
    make("h2", {}, say("ask.preview_head", { name: plain(file.name) })),
    make("p", {}, say("ask.preview", { tensors: found.tensors.toLocaleString(), params: count(found.params) })),
    command(file.name),
    told.length ? make("p", {}, say("ask.preview_meta")) : null, told.length ? facts(told) : null));
};

const send = async (file, place) => {
  if (!file.name.endsWith(".sketch")) { await preview(file, place); return; }
  place.replaceChildren(make("p", { role: "status" }, say("ask.uploading", { name: plain(file.name) })));
  const said = await call("/api/uploads", {
    method: "POST", body: file, headers: { "Content-Type": "application/octet-stream" },
  });
  await ask("whois", { checkpoint: { upload: (await said.json()).upload } });
};

const textField = (key, placeholder, of) => {
  const input = make("input", { id: key, placeholder, autocomplete: "off", required: true });
  const form = make("form", { class: "field" },
    make("label", { for: key }, say(`ask.${key}`)),
    make("div", { class: "row" }, make("div", { class: "grow" }, input), make("button", {}, say("ask.go"))));
  form.addEventListener("submit", trying(() => ask("whois", { checkpoint: of(input.value.trim()) })));
  return form;
};

export const show = () => {
  const place = make("div", { "aria-live": "polite" });
  const file = make("input", { type: "file", id: "file", onchange: () => file.files[0] && trying(() => send(file.files[0], place), place)() });
  const drop = make("div", { class: "drop" }, make("label", { for: "file" }, say("ask.drop")), file);
  for (const [event, is] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
    drop.addEventListener(event, (told) => {
      told.preventDefault();
      drop.classList.toggle("over", is);
      if (event === "drop" && told.dataTransfer.files[0]) { trying(() => send(told.dataTransfer.files[0], place), place)(); }
    });
  }
  main.append(
    make("p", {}, say("ask.local")), command("./model"), drop, place,
    main.dataset.hub === "true" ? textField("address", "hf:org/name", (text) => ({ address: text })) : "",
    main.dataset.folders === "true" ? textField("path", "org/name", (text) => ({ path: text })) : "",
  );
};
