// One job: how far it is, then its report as it is handed on.

import { asked, call, main, make, modelLink, name, plain, read, say, trying } from "./app.js";

const PAGE = document.documentElement.lang === "ko" ? "ko.html" : "html";
const AGAIN_MS = 3000;
/** The formats that are linked, of those that a job offers. */
const LINKED = [
  "txt", "sarif", "yaml", "json", "svg", "csv", "graphml", "cdx.json", "spdx.json", "prov.json", "intoto.json", "card.yaml",
];

/** A page in a frame as high as it is. */
const framed = (address) => {
  const frame = make("iframe", { src: address, title: say("answer.report") });
  frame.addEventListener("load", () => {
    const inside = frame.contentDocument;
    const fit = () => { frame.style.height = `${inside.documentElement.scrollHeight + 8}px`; };
    new ResizeObserver(fit).observe(inside.body);
    fit();
  });
  return frame;
};

const printed = async (address) => make("pre", { tabindex: "0" }, await (await call(address)).text());

/** A table of answers, a row for each checkpoint. */
const table = async (address) => {
  const { rows } = await read(address);
  const near = (row) => row.relatives.map((one, i) => [i ? ", " : "", modelLink(one.model, one.model_name)]).flat();
  const heads = ["checkpoint", "said", "relatives"].map((key) => make("th", { scope: "col" }, say(`answer.${key}`)));
  const failed = rows.filter((row) => row.error !== null).length;
  return [
    make("p", { role: "status" }, say(failed ? "answer.rows_failed" : "answer.rows", { count: rows.length.toLocaleString(), failed: failed.toLocaleString() })),
    make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": say("answer.report") },
      make("table", { class: "answers" }, make("thead", {}, make("tr", {}, heads)), make("tbody", {}, rows.map((row) => make("tr", {},
        make("th", { scope: "row" }, name(row.name || row.checkpoint), row.name && row.name !== row.checkpoint ? make("small", {}, ` ${plain(row.checkpoint)}`) : null),
        make("td", { class: row.error === null ? null : "bad" }, plain(row.error === null ? row.said : say("answer.failed", { message: row.error }))),
        make("td", {}, near(row))))))),
  ];
};

const report = async (job) => {
  const link = (format) => `${job.links.report}?format=${format}`;
  const formats = LINKED.filter((format) => job.reports.includes(format));
  const items = formats.map((format) => make("li", {}, make("a", { href: link(format) }, format)));
  items.unshift(make("li", {}, make("a", { href: job.links.result }, job.kind === "table" ? "json" : `${job.kind} --json`)));
  const page = job.reports.includes(PAGE) ? PAGE : job.reports[0] === "txt" ? "txt" : "";
  main.append(
    page ? make("p", {}, make("a", { href: link(page) }, say("answer.alone")), " · ", say("answer.link")) : make("p", {}, say("answer.link")),
    make("p", { id: "formats-title" }, say("answer.formats")),
    make("ul", { class: "formats", "aria-labelledby": "formats-title" }, items),
    ...(job.kind === "table" ? await table(job.links.result) : [page === "txt" ? await printed(link(page)) : page ? framed(link(page)) : ""]),
  );
};

/** Follow a job until it is over, whatever becomes of the connection. */
const follow = (job, told, silent) => {
  const events = new EventSource(job.links.events);
  events.addEventListener("open", () => silent(false));
  for (const state of ["queued", "running", "done", "failed"]) {
    events.addEventListener(state, (event) => { if (told(JSON.parse(event.data))) { events.close(); } });
  }
  events.addEventListener("error", () => {
    silent(true);
    if (events.readyState !== EventSource.CLOSED) { return; }  // the browser tries again by itself
    setTimeout(async () => {
      const found = await read(job.links.self).catch(() => null);
      if (found === null) { follow(job, told, silent); return; }
      silent(false);
      if (!told(found)) { follow(job, told, silent); }
    }, AGAIN_MS);
  });
};

export const show = async () => {
  if (!asked("job")) { throw new Error(say("answer.choose")); }
  const job = await read(`/api/jobs/${encodeURIComponent(asked("job"))}`);
  const bar = make("progress", { max: 1, "aria-label": say("answer.running") });
  const line = make("p", { role: "status" });
  const gone = make("p", { class: "note bad", role: "alert", hidden: true }, say("answer.silent"));
  const told = (state) => {
    if (state.state === "done" || state.state === "failed") {
      for (const one of [line, bar, gone]) { one.remove(); }
      if (state.state === "done") { trying(() => report(state))(); return true; }
      main.append(make("p", { class: "note bad", role: "alert" }, say("answer.failed", { message: plain(state.error.message) })));
      return true;
    }
    const step = state.progress;
    if (step && step.total) { bar.value = step.done / step.total; } else { bar.removeAttribute("value"); }
    line.textContent = !(step && step.total) ? say(`answer.${state.state}`)
      : state.kind === "table" ? say("answer.rows_done", { done: step.done.toLocaleString(), total: step.total.toLocaleString() })
        : say("answer.progress", { what: plain(step.what), share: Math.floor((100 * step.done) / step.total) });
    return false;
  };
  main.append(line, bar, gone);
  if (!told(job)) { follow(job, told, (is) => { gone.hidden = !is; }); }
};
