// One model: what is known of it, what it comes from, what comes from it.

import { asked, call, count, facts, heading, main, make, modelLink, name, plain, read, say, to } from "./app.js";

const sure = (edge) => (edge.confidence === null ? "" : ` · ${say("model.sure", { value: edge.confidence.toFixed(2) })}`);
const item = (...parts) => make("li", {}, parts);
const list = (items) => make("ul", { class: "line-up" }, items);
const relation = (edge) => say(`relation.${edge.relation}`);

const up = (found) => found.ancestors.length
  ? list(found.ancestors.map((step) => item(modelLink(step.parent.id, step.parent.name), ` ${relation(step.edge)}${sure(step.edge)}`)))
  : make("p", {}, say("model.root"));

const down = (found) => found.descendants.length
  ? list(found.descendants.map((one) => item(modelLink(one.model.id, one.model.name), ` ${say("model.below", { relation: say(`relation.${one.relation}`), generation: one.generation })}`)))
  : make("p", {}, say("model.childless"));

const other = (edge, id) => (edge.parent === id ? modelLink(edge.child, edge.child_name) : modelLink(edge.parent, edge.parent_name));
const edges = (key, found, id) => (found.length ? [heading(say(key)), list(found.map((edge) => item(other(edge, id), ` ${relation(edge)}`)))] : []);
/** What may come from the model, by a way on which one direction is open. */
const perhaps = (found, told) => found.filter((one) => !told.some((edge) => [edge.parent, edge.child].includes(one.model.id)))
  .map((one) => ({ parent: one.model.id, parent_name: one.model.name, relation: one.relation }));

const picture = async (model) => {
  const said = await call(`/api/graph?format=svg&model=${encodeURIComponent(model)}`);
  const image = make("img", { class: "picture", src: URL.createObjectURL(await said.blob()), alt: say("model.around") });
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": say("model.around") }, image);
};

export const show = async () => {
  const model = asked("model");
  if (!model) { throw new Error(say("model.choose")); }
  const query = `model=${encodeURIComponent(model)}`;
  const known = await read(`/api/model?${query}`);
  document.title = `${plain(known.name)} · lineage`;
  document.querySelector("h1").replaceChildren(name(known.name));
  main.append(facts([
    [say("model.id"), known.id.slice(0, 12)], [say("models.size"), count(known.params)], [say("models.said"), plain(known.licence || "—")],
    [say("models.origin"), plain(known.architecture || "—")], [say("model.format"), plain(known.format)], [say("model.depth"), known.depth],
    [say("model.source"), plain(known.source)], [say("model.aliases"), known.aliases.map(plain).join(", ")],
  ]));
  if (!known.weights_seen) { main.append(make("p", { class: "note" }, say("model.handed"))); }
  main.append(make("p", {}, make("a", { href: to("/compare", { a: known.id }) }, say("model.compare"))));
  const [trace, below] = [await read(`/api/trace?${query}`), await read(`/api/descendants?${query}`)];
  main.append(
    heading(say("model.up")), up(trace), heading(say("model.down")), down(below),
    ...edges("model.open", [...trace.related, ...perhaps(below.open, trace.related)], trace.model.id), ...edges("model.declared", trace.declared, trace.model.id),
    heading(say("model.around")), await picture(model),
  );
};
