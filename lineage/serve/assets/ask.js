// The first page: what one wants to know, and of what: a sketch or a tokenizer is sent, weights are only looked at.

import { ask, main, make, modelField, plain, read, reference, say, to, trying } from "./app.js";
import { command, dropped, given } from "./files.js";

/** What can be asked, and the question of the API that it becomes. */
const QUESTIONS = {
  whois: {}, decompose: {}, licence: { policy: "licence" }, "from-scratch": { policy: "from-scratch" },
  "t-class": { policy: "t-class" }, verify: {},
};
const CLAIMS = { md: "card", toml: "toml", json: "json" };

/** A text that a file can be read into. */
const textFrom = (key, accept, most) => {
  const text = make("textarea", { id: key, rows: 4, spellcheck: "false", "aria-describedby": `${key}-help` });
  const file = make("input", { type: "file", id: `${key}-file`, accept, "aria-label": say(`ask.${key}_file`) });
  const field = make("div", { class: "field", hidden: true },
    make("label", { for: key }, say(`ask.${key}`)), text, make("small", { id: `${key}-help` }, say(`ask.${key}_help`)), file);
  const got = { field, text, name: "" };
  file.addEventListener("change", trying(async () => {
    const chosen = file.files[0];
    if (!chosen) { return; }
    if (chosen.size > most) { file.value = ""; throw new Error(say("ask.too_long", { name: plain(chosen.name), most: (most >> 10).toLocaleString() })); }
    [text.value, got.name] = [await chosen.text(), chosen.name];
  }, field));
  return got;
};

/** A file of claims says by its name what it is; a text says it by how it begins. */
const formatOf = (claims) => CLAIMS[claims.name.split(".").pop().toLowerCase()] || (claims.text.value.trimStart().startsWith("{") ? "json" : "card");

const chooser = () => {
  const select = make("select", { id: "question" },
    Object.keys(QUESTIONS).map((one) => make("option", { value: one }, say(`ask.q_${one}`))));
  const rules = textFrom("rules", ".toml", 256 << 10);
  const claims = textFrom("claims", ".md,.toml,.json", 1_000_000);
  const adapter = make("input", { id: "adapter", autocomplete: "off", "aria-describedby": "adapter-help" });
  const reads = main.dataset.hub === "true" || main.dataset.folders === "true";
  const adapting = make("div", { class: "field" },
    make("label", { for: "adapter" }, say("ask.adapter")), adapter, make("small", { id: "adapter-help" }, say("ask.adapter_help")));
  const fit = () => {
    rules.field.hidden = !QUESTIONS[select.value].policy;
    claims.field.hidden = select.value !== "verify";
    adapting.hidden = !(reads && select.value === "whois");
  };
  select.addEventListener("change", fit);
  addEventListener("pageshow", fit);  // the browser puts back what was chosen before
  fit();
  const form = make("div", {},
    make("div", { class: "field" }, make("label", { for: "question" }, say("ask.question")), select),
    rules.field, claims.field);
  /** The kind of the question that is chosen, and its body about a checkpoint. */
  const about = (checkpoint) => {
    const chosen = QUESTIONS[select.value];
    if (chosen.policy) { return ["audit", { checkpoint, ...chosen, ...(rules.text.value.trim() ? { rules: rules.text.value } : {}) }]; }
    if (select.value === "decompose") { return ["decompose", { checkpoint }]; }
    if (select.value === "verify") {
      if (!claims.text.value.trim()) { claims.text.focus(); throw new Error(say("ask.no_claims")); }
      return ["verify", { checkpoint, claims: claims.text.value, claims_format: formatOf(claims) }];
    }
    const text = adapter.value.trim();
    if (!text || !reads) { return ["whois", { checkpoint, pages: true }]; }
    if (!("path" in checkpoint || "address" in checkpoint)) { adapter.focus(); throw new Error(say("ask.adapter_weights")); }
    return ["whois", { checkpoint, adapter: reference(text), pages: true }];
  };
  return { form, adapting, about, isWhois: () => select.value === "whois" };
};

const textField = (key, placeholder, asked) => {
  const input = make("input", { id: key, placeholder, autocomplete: "off", required: true });
  const form = make("form", { class: "field" },
    make("label", { for: key }, say(`ask.${key}`)),
    make("div", { class: "row" }, make("div", { class: "grow" }, input), make("button", {}, say("ask.go"))));
  form.addEventListener("submit", trying(() => asked({ [key]: input.value.trim() }), form));
  return form;
};

/** A model of the index: what it descends from is on its own page; asked about like a stranger, it is found there itself. */
const indexed = (asked, isWhois) => {
  const { input, field } = modelField("model", say("ask.model"));
  input.after(make("div", {}, make("button", {}, say("ask.go"))));
  const form = make("form", {}, field);
  form.addEventListener("submit", trying(async () => {
    const model = input.value.trim();
    if (isWhois()) { await read(`/api/model?model=${encodeURIComponent(model)}`); location.href = to("/model", { model }); return; }
    await asked({ model });
  }, form));
  return form;
};

export const show = () => {
  const place = make("div", { "aria-live": "polite" });
  const { form, adapting, about, isWhois } = chooser();
  const one = async (checkpoint) => ask(...about(checkpoint));
  /** What is missing in a question, or does not go with it, is said before anything is sent. */
  const fits = (files) => {
    if (!isWhois() && files.length > 1) { throw new Error(say("ask.one_only")); }
    if (!isWhois() && files.some((file) => file.kind === "tokenizer")) { throw new Error(say("ask.tokenizer_only")); }
    if (files.length === 1) { about({ upload: "" }); }
  };
  const drop = dropped(say("ask.drop"), (files) => trying(async () => {
    const checkpoints = await given(files, place, fits);
    if (checkpoints.length > 1) { await ask("table", { checkpoints }); } else if (checkpoints.length) { await one(checkpoints[0]); }
  }, place)());
  main.append(
    make("p", {}, say("ask.local")), command("./model"), form, drop, place,
    indexed(one, isWhois),
    main.dataset.hub === "true" ? textField("address", "hf:org/name", one) : "",
    main.dataset.folders === "true" ? textField("path", "org/name", one) : "",
    adapting,
  );
};
