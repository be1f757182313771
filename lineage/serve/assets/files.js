// Files that people choose or drop: what each is, by its name and its first bytes, and how one is sent. Weights never are.

import { call, count, facts, main, make, plain, say } from "./app.js";

const MOST_HEADER = 32 << 20;
const MOST_TOKENIZER = 64 << 20;
const TOKENIZER = /^(tokenizer\.json|tekken[\w.-]{0,40}\.json|vocab\.json|vocab\.txt|[\w.-]{1,60}\.tiktoken|(tokenizer|spiece|sentencepiece|sentencepiece\.bpe|spm)\.model(\.v\d\w{0,20})?|[\w.-]{1,60}\.tokenizer)$/;
const ADAPTER = /[._](lora_[AB]|lora_(up|down)|lora_magnitude_vector|lokr_w\d|hada_w\d)/;

const quoted = (text) => (/^[\w./-]+$/.test(text) ? text : `'${plain(text).replaceAll("'", "'\\''")}'`);
export const command = (file) => make("pre", { tabindex: "0" }, make("code", {}, `lineage sketch ${quoted(file)} -o model.sketch`));

/** What the header of a safetensors file says; nothing behind it is read. */
const header = async (file) => {
  const start = new DataView(await file.slice(0, 8).arrayBuffer());
  const length = start.byteLength === 8 ? start.getBigUint64(0, true) : 0n;
  if (length < 2n || length > BigInt(Math.max(0, Math.min(file.size - 8, MOST_HEADER)))) { return null; }
  try {
    const { __metadata__: metadata, ...tensors } = JSON.parse(await file.slice(8, 8 + Number(length)).text());
    const shapes = Object.values(tensors).map((one) => one.shape);
    if (!shapes.length || !shapes.every((shape) => Array.isArray(shape))) { return null; }
    const params = shapes.reduce((sum, shape) => sum + shape.reduce((product, n) => product * n, 1), 0);
    return { tensors: shapes.length, params, metadata: metadata || {}, isAdapter: Object.keys(tensors).some((key) => ADAPTER.test(key)) };
  } catch { return null; }
};

const refused = (key, values = {}) => ({ said: make("p", { class: "note bad", role: "alert" }, say(`ask.${key}`, values)) });

/** Weights as they are: they stay here, and a sketch of them is asked for. */
const weights = (file, found) => {
  const told = Object.entries(found?.metadata || {}).slice(0, 12).map(([key, value]) => [plain(key), plain(String(value).slice(0, 200))]);
  return { said: make("div", { class: "note", id: "preview" },
    make("h2", {}, say("ask.preview_head", { name: plain(file.name) })),
    make("p", {}, found
      ? say("ask.preview", { tensors: found.tensors.toLocaleString(), params: count(found.params) })
      : say("ask.not_preview")),
    found?.isAdapter ? make("p", {}, say("ask.preview_adapter")) : null,
    command(file.name),
    told.length ? make("p", {}, say("ask.preview_meta")) : null, told.length ? facts(told) : null) };
};

/** What a chosen file is: `kind` and `file` of one that can be sent, or what is `said` of one that stays. */
const look = async ({ file, isFolder }) => {
  const name = plain(file.name);
  if (isFolder) {
    return { said: make("div", { class: "note" }, make("h2", {}, say("ask.preview_head", { name })), make("p", {}, say("ask.folder")), command(file.name)) };
  }
  try { await file.slice(0, 1).arrayBuffer(); } catch { return refused("unreadable", { name }); }
  if (!file.size) { return refused("empty", { name }); }
  const kind = file.name.endsWith(".sketch") ? "sketch" : TOKENIZER.test(file.name) ? "tokenizer" : "";
  if (!kind) { return weights(file, await header(file)); }
  const most = kind === "sketch" ? Number(main.dataset.body) : Math.min(MOST_TOKENIZER, Number(main.dataset.body));
  if (file.size > most) { return refused("too_large", { name, most: (most >> 20).toLocaleString() }); }
  return { kind, file };
};

/** Send one file that `look` gave; how a question names it. */
const upload = async ({ kind, file }, status) => {
  status.replaceChildren(make("p", { role: "status" }, say("ask.uploading", { name: plain(file.name) })));
  const name = kind === "tokenizer" ? `?name=${encodeURIComponent(file.name)}` : "";
  const said = await call(`/api/uploads${name}`, {
    method: "POST", body: file, headers: { "Content-Type": "application/octet-stream" },
  });
  return { [kind === "tokenizer" ? "tokenizer" : "upload"]: (await said.json()).upload };
};

/** Look at files and send those that may be sent; how a question names them. `fits` says by throwing what speaks against it. */
export const given = async (files, place, fits = () => {}) => {
  place.replaceChildren();
  const found = await Promise.all(files.map(look));
  const sent = found.filter((file) => file.kind);
  place.append(...found.filter((file) => !file.kind).map((file) => file.said));
  if (sent.length && sent.length < found.length) { throw new Error(say("ask.not_all")); }
  fits(sent);
  const status = make("div", {});
  place.append(status);
  try {
    const named = [];
    for (const file of sent) { named.push(await upload(file, status)); }
    return named;
  } finally { status.remove(); }
};

/** A place for files, chosen or dropped; wherever on the page one is dropped, the browser does not open it. */
export const dropped = (label, given) => {
  const input = make("input", { type: "file", id: "file", multiple: true });
  input.addEventListener("change", () => {
    const files = [...input.files].map((file) => ({ file, isFolder: false }));
    input.value = "";  // so that the same file can be chosen again
    if (files.length) { given(files); }
  });
  const place = make("div", { class: "drop" }, make("label", { for: "file" }, label), input);
  const over = (is) => (told) => { told.preventDefault(); place.classList.toggle("over", is); };
  document.addEventListener("dragover", over(true));
  document.addEventListener("dragleave", over(false));
  document.addEventListener("drop", (told) => {
    over(false)(told);
    const items = [...told.dataTransfer.items].filter((item) => item.kind === "file");
    const files = items.map((item) => ({ file: item.getAsFile(), isFolder: item.webkitGetAsEntry?.()?.isDirectory || false }));
    if (files.length) { given(files.filter((one) => one.file)); }
  });
  return place;
};
