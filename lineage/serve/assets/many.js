// Many checkpoints, one a line, or many sketches: a table of answers.

import { ask, main, make, reference, say, trying } from "./app.js";
import { dropped, given } from "./files.js";

const MOST = 1000;
const READS = main.dataset.hub === "true" || main.dataset.folders === "true";

const lines = () => {
  const text = make("textarea", { id: "lines", rows: 12, spellcheck: "false", required: true, "aria-describedby": "lines-help" });
  const form = make("form", {},
    make("div", { class: "field" },
      make("label", { for: "lines" }, say("many.lines")), text, make("small", { id: "lines-help" }, say("many.help"))),
    make("button", {}, say("many.go")));
  form.addEventListener("submit", trying(async () => {
    const found = text.value.split("\n").map((line) => line.split(" #")[0].trim()).filter((line) => line && !line.startsWith("#"));
    if (!found.length) { throw new Error(say("many.none")); }
    if (found.length > MOST) { throw new Error(say("many.most", { most: MOST.toLocaleString(), count: found.length.toLocaleString() })); }
    await ask("table", { checkpoints: found.map(reference) });
  }, form));
  return form;
};

export const show = () => {
  const place = make("div", { "aria-live": "polite" });
  const drop = dropped(say("many.drop"), (files) => trying(async () => {
    const checkpoints = await given(files, place);
    if (checkpoints.length) { await ask("table", { checkpoints }); }
  }, place)());
  main.append(make("p", {}, say("many.about")), drop, place, READS ? lines() : "");
};
