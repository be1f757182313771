// One job: how far it is, then its report as it is handed on.

import { asked, call, main, make, plain, read, say, trying } from "./app.js";

const PAGE = document.documentElement.lang === "ko" ? "ko.html" : "html";
const PAIR = ["txt", "json", "svg", "csv", "graphml"];
const UPWARD = ["cdx.json", "spdx.json", "prov.json", "intoto.json", "card.yaml"];
/** Of each kind of job the formats that are linked, and the one that is shown. */
const REPORTS = {
  whois: [[...PAIR, ...UPWARD], PAGE], compare: [PAIR, PAGE],
  audit: [["txt", "sarif"], "txt"], verify: [["txt", "sarif"], "txt"], decompose: [["txt"], "txt"],
};

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

const report = async (job) => {
  const [formats, page] = REPORTS[job.kind] || [[], null];
  const link = (format) => `${job.links.report}?format=${format}`;
  const items = formats.map((format) => make("li", {}, make("a", { href: link(format) }, format)));
  items.unshift(make("li", {}, make("a", { href: job.links.result }, `${job.kind} --json`)));
  main.append(
    page ? make("p", {}, make("a", { href: link(page) }, say("answer.alone")), " · ", say("answer.link")) : "",
    make("p", { id: "formats-title" }, say("answer.formats")),
    make("ul", { class: "formats", "aria-labelledby": "formats-title" }, items),
    page === "txt" ? await printed(link(page)) : page ? framed(link(page)) : "",
  );
};

export const show = async () => {
  const job = await read(`/api/jobs/${encodeURIComponent(asked("job") || "")}`);
  const bar = make("progress", { max: 1, "aria-label": say("answer.running") });
  const line = make("p", { role: "status" });
  const told = (state) => {
    if (state.state === "done" || state.state === "failed") {
      line.remove();
      bar.remove();
      if (state.state === "done") { trying(() => report(state))(); return true; }
      main.append(make("p", { class: "note bad", role: "alert" }, say("answer.failed", { message: plain(state.error.message) })));
      return true;
    }
    const step = state.progress;
    if (step && step.total) { bar.value = step.done / step.total; } else { bar.removeAttribute("value"); }
    line.textContent = step && step.total
      ? say("answer.progress", { what: plain(step.what), share: Math.floor((100 * step.done) / step.total) })
      : say(`answer.${state.state}`);
    return false;
  };
  main.append(line, bar);
  if (told(job)) { return; }
  const events = new EventSource(job.links.events);
  for (const state of ["queued", "running", "done", "failed"]) {
    events.addEventListener(state, (event) => { if (told(JSON.parse(event.data))) { events.close(); } });
  }
};
