// One job: how far it is, then its report as it is handed on.

import { asked, main, make, plain, read, say } from "./app.js";

const FORMATS = ["json", "svg", "csv", "graphml", "cdx.json", "spdx.json", "prov.json", "intoto.json", "card.yaml"];
const PAIR_FORMATS = ["json", "svg", "csv", "graphml"];

const report = (job) => {
  const page = document.documentElement.lang === "ko" ? "ko.html" : "html";
  const link = (format) => `/api/jobs/${job.id}/report?format=${format}`;
  const frame = make("iframe", { src: link(page), title: say("answer.report") });
  frame.addEventListener("load", () => {
    const inside = frame.contentDocument;
    const fit = () => { frame.style.height = `${inside.documentElement.scrollHeight + 8}px`; };
    new ResizeObserver(fit).observe(inside.body);
    fit();
  });
  const formats = (job.kind === "compare" ? PAIR_FORMATS : FORMATS).map((format) => make("li", {}, make("a", { href: link(format) }, format)));
  formats.unshift(make("li", {}, make("a", { href: job.links.result }, `${job.kind} --json`)));
  main.append(
    make("p", {}, make("a", { href: link(page) }, say("answer.alone")), " · ", say("answer.link")),
    make("p", { id: "formats-title" }, say("answer.formats")),
    make("ul", { class: "formats", "aria-labelledby": "formats-title" }, formats),
    frame,
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
      if (state.state === "done") { report(state); return true; }
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
