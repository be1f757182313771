// Two models of the index, layer by layer.

import { ask, asked, main, make, modelField, say, trying } from "./app.js";

export const show = () => {
  const [a, b] = ["a", "b"].map((key) => modelField(key, say(`compare.${key}`), asked(key) || ""));
  const work = trying(() => ask("compare", { a: { model: a.input.value }, b: { model: b.input.value }, pages: true }));
  main.append(make("form", { onsubmit: work }, make("p", {}, say("compare.help")), a.field, b.field, make("button", {}, say("compare.go"))));
};
