// The models that a search covers, by pages.

import { asked, count, main, make, modelLink, plain, read, say, trying } from "./app.js";

const row = (one) => make("tr", {},
  make("th", { scope: "row" }, modelLink(one.id, one.name), one.reference || one.layer ? make("small", {}, ` ${plain(one.layer || say("models.reference"))}`) : null),
  make("td", { class: "figure" }, count(one.params)),
  make("td", {}, plain(one.architecture || "—")),
  make("td", {}, plain(one.licence || "—")));

export const show = async () => {
  const search = make("input", { id: "search", type: "search", value: asked("search") || "" });
  const licence = make("input", { id: "licence", value: asked("licence") || "", autocomplete: "off" });
  const body = make("tbody");
  const total = make("p", { role: "status" });
  const more = make("button", { type: "button", hidden: true }, say("models.more"));
  let next = 0;
  const list = async (fresh) => {
    if (fresh) { next = 0; }
    const query = new URLSearchParams({ offset: next, limit: 50 });
    if (search.value) { query.set("search", search.value); }
    if (licence.value) { query.set("licence", licence.value); }
    const found = await read(`/api/models?${query}`);
    if (fresh) { body.replaceChildren(); }
    body.append(...found.models.map(row));
    total.textContent = found.total ? say("models.count", { total: found.total.toLocaleString() }) : say("models.none");
    next = found.next;
    more.hidden = next === null;
  };
  more.addEventListener("click", trying(() => list(false)));
  const heads = ["name", "size", "origin", "said"].map((key) => make("th", { scope: "col" }, say(`models.${key}`)));
  main.append(
    make("form", { class: "row", onsubmit: trying(() => list(true)) },
      make("div", { class: "field grow" }, make("label", { for: "search" }, say("models.search")), search),
      make("div", { class: "field grow" }, make("label", { for: "licence" }, say("models.licence")), licence),
      make("div", { class: "field" }, make("button", {}, say("models.go")))),
    total,
    make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": say("models.head") },
      make("table", {}, make("thead", {}, make("tr", {}, heads)), body)),
    more,
  );
  await list(true);
};
