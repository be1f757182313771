// The whole graph on a canvas: moved, zoomed, searched, and walked through with the keyboard.

import { main, make, name, plain, read, say, to } from "./app.js";
import { layout } from "./layout.js";

const BOX = { width: 150, height: 34 };
const HUES = 12;
const [FAR, NAMES] = [0.12, 0.35]; // scales below which models are specks, above which they have names

const colours = () => {
  const style = getComputedStyle(document.documentElement);
  const of = (key) => style.getPropertyValue(`--${key}`).trim();
  return { hues: Array.from({ length: HUES }, (_, i) => of(`f${i}`)), alone: of("alone"), ink: of("ink"), card: of("card"),
    mark: of("mark"), declared: of("declared"), on: of("on") };
};

class View {
  constructor(canvas, graph, chosen) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    this.graph = graph;
    this.tell = chosen;
    this.kind = "";
    this.lit = new Set();
    this.chosen = null;
    this.at = { x: 0, y: 0, scale: 1 };
    this.waits = false;
    new ResizeObserver(() => this.size()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { this.colours = colours(); this.draw(); });
    this.colours = colours();
    this.pointers = new Map();
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"]) { canvas.addEventListener(end, (event) => this.up(event)); }
    canvas.addEventListener("wheel", (event) => { event.preventDefault(); this.zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY); }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("dblclick", () => this.chosen && this.open());
  }

  size() {
    const ratio = devicePixelRatio || 1;
    const first = !this.width;
    [this.width, this.height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    [this.canvas.width, this.canvas.height] = [this.width * ratio, this.height * ratio];
    this.ratio = ratio;
    if (first) { this.whole(); } else { this.draw(); }
  }

  whole() {
    const { width, height } = this.graph;
    const scale = Math.min(this.width / (width + 40), this.height / (height + 40), 1.2);
    this.at = { scale, x: (this.width - width * scale) / 2, y: (this.height - height * scale) / 2 };
    this.draw();
  }

  zoom(by, x = this.width / 2, y = this.height / 2) {
    const scale = Math.min(3, Math.max(0.005, this.at.scale * by));
    const real = scale / this.at.scale;
    this.at = { scale, x: x - (x - this.at.x) * real, y: y - (y - this.at.y) * real };
    this.draw();
  }

  down(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    this.moved = 0;
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) { return; }
    const now = { x: event.offsetX, y: event.offsetY };
    const others = [...this.pointers.entries()].filter(([id]) => id !== event.pointerId).map(([, one]) => one);
    if (others.length) {
      const apart = (one) => Math.hypot(one.x - others[0].x, one.y - others[0].y);
      this.zoom(apart(now) / Math.max(1, apart(before)), (now.x + others[0].x) / 2, (now.y + others[0].y) / 2);
    } else {
      this.at.x += now.x - before.x;
      this.at.y += now.y - before.y;
      this.draw();
    }
    this.moved += Math.hypot(now.x - before.x, now.y - before.y);
    this.pointers.set(event.pointerId, now);
  }

  up(event) {
    if (this.pointers.delete(event.pointerId) && this.moved < 5) { this.choose(this.under(event.offsetX, event.offsetY), false); }
  }

  under(x, y) {
    const [left, top] = [(x - this.at.x) / this.at.scale, (y - this.at.y) / this.at.scale];
    const slack = Math.max(0, 12 / this.at.scale - BOX.height / 2);
    return this.graph.nodes.find((one) => Math.abs(left - one.x) < BOX.width / 2 + slack && Math.abs(top - one.y) < BOX.height / 2 + slack) || null;
  }

  choose(node, comes = true) {
    this.chosen = node;
    this.tell(node);
    if (node && comes) {
      const scale = Math.max(this.at.scale, 0.8);
      this.at = { scale, x: this.width / 2 - node.x * scale, y: this.height / 2 - node.y * scale };
    }
    this.draw();
  }

  key(event) {
    const here = this.chosen || this.graph.nodes[0];
    if (!here) { return; }
    const level = here.above[0] ? here.above[0].below : this.graph.roots;
    const beside = (by) => level[(level.indexOf(here) + by + level.length) % level.length];
    const steps = { ArrowUp: () => here.above[0], ArrowDown: () => here.below[0], ArrowLeft: () => beside(-1), ArrowRight: () => beside(1), Home: () => this.graph.nodes[0] };
    if (event.key in steps) {
      event.preventDefault();
      this.choose(this.chosen ? steps[event.key]() || here : here);
    } else if (event.key === "+" || event.key === "=") { this.zoom(1.3); }
    else if (event.key === "-") { this.zoom(1 / 1.3); }
    else if (event.key === "0") { this.whole(); }
    else if (event.key === "Enter" && this.chosen) { this.open(); }
  }

  open() { if (this.chosen.observed) { location.href = to("/model", { model: this.chosen.id }); } }

  draw() {
    if (this.waits) { return; }
    this.waits = true;
    requestAnimationFrame(() => { this.waits = false; this.paint(); });
  }

  paint() {
    const { pen, at, colours: ink } = this;
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    pen.setTransform(this.ratio * at.scale, 0, 0, this.ratio * at.scale, this.ratio * at.x, this.ratio * at.y);
    const [left, top] = [-at.x / at.scale - BOX.width, -at.y / at.scale - BOX.height];
    const [right, bottom] = [left + this.width / at.scale + 2 * BOX.width, top + this.height / at.scale + 2 * BOX.height];
    const seen = (one) => one.x > left && one.x < right && one.y > top && one.y < bottom;
    const isFar = at.scale < FAR;
    const lines = new Map(); // one path a style: thousands of strokes of their own would take a frame
    for (const edge of this.graph.edges) {
      if (!this.fits(edge) || !(seen(edge.from) || seen(edge.to))) { continue; }
      const near = edge.from === this.chosen || edge.to === this.chosen;
      const colour = near ? ink.mark : edge.source === "declared" ? ink.declared : this.hue(edge.to);
      const dash = edge.source === "declared" ? "2 4" : edge.directed ? "" : "7 4";
      const style = `${colour}|${dash}|${near ? 2.4 : 1.2}`;
      if (!lines.has(style)) { lines.set(style, new Path2D()); }
      this.line(lines.get(style), edge, isFar);
      if (edge.directed && at.scale > NAMES) { this.head(edge.to, colour); }
    }
    for (const [style, path] of lines) {
      const [colour, dash, width] = style.split("|");
      pen.strokeStyle = colour;
      pen.lineWidth = width / Math.min(1, Math.max(at.scale, 0.25));
      pen.setLineDash(dash && !isFar ? dash.split(" ").map(Number) : []);
      pen.stroke(path);
    }
    pen.setLineDash([]);
    pen.font = "12px system-ui, sans-serif";
    pen.textBaseline = "middle";
    const shown = this.graph.nodes.filter(seen);
    if (isFar) { this.specks(shown, ink); } else { for (const node of shown) { this.box(node, ink); } }
  }

  line(path, edge, isFar) {
    const [x, y, tox, toy] = [edge.from.x, edge.from.y + BOX.height / 2, edge.to.x, edge.to.y - BOX.height / 2];
    path.moveTo(x, y);
    if (isFar) { path.lineTo(tox, toy); } else { path.bezierCurveTo(x, y + BOX.height * 1.1, tox, toy - BOX.height * 1.1, tox, toy); }
  }

  /** Models from afar: one fill a colour, and those that are looked for in front. */
  specks(shown, ink) {
    const fills = new Map();
    for (const node of shown) {
      const colour = node === this.chosen || this.lit.has(node) ? ink.mark : this.hue(node);
      if (!fills.has(colour)) { fills.set(colour, new Path2D()); }
      fills.get(colour).rect(node.x - BOX.width / 2, node.y - BOX.height / 2, BOX.width, BOX.height);
    }
    for (const [colour, path] of [...fills].sort(([one]) => (one === ink.mark ? 1 : -1))) {
      this.pen.fillStyle = colour;
      this.pen.fill(path);
    }
  }

  /** The arrow at the end of an edge whose direction is known. */
  head(node, colour) {
    const [x, y] = [node.x, node.y - BOX.height / 2];
    this.pen.fillStyle = colour;
    this.pen.beginPath();
    this.pen.moveTo(x, y);
    this.pen.lineTo(x - 4, y - 8);
    this.pen.lineTo(x + 4, y - 8);
    this.pen.fill();
  }

  box(node, ink) {
    const { pen, at } = this;
    const [x, y] = [node.x - BOX.width / 2, node.y - BOX.height / 2];
    const isLit = node === this.chosen || this.lit.has(node);
    pen.fillStyle = node.root ? this.hue(node) : ink.card;
    pen.strokeStyle = isLit ? ink.mark : this.hue(node);
    pen.lineWidth = isLit ? 4 / Math.min(1, at.scale * 1.4) : 1.3;
    pen.setLineDash(node.observed ? [] : [4, 3]);
    pen.fillRect(x, y, BOX.width, BOX.height);
    pen.strokeRect(x, y, BOX.width, BOX.height);
    if (at.scale > NAMES) {
      pen.fillStyle = node.root ? ink.on : ink.ink;
      pen.fillText(node.short, x + 8, node.y, BOX.width - 16);
    }
  }

  hue(node) { return node.isAlone ? this.colours.alone : this.colours.hues[(node.family - 1) % HUES]; }

  fits(edge) {
    return this.kind === "" || (this.kind === "open" ? !edge.directed : edge.source === this.kind);
  }
}

/** A model in words: only a measured edge with a direction makes a parent or a child. */
const told = (node, edges) => {
  const words = (one, edge) => `${plain(one.name)} (${say(`relation.${edge.relation}`)})`;
  const of = (fits) => edges.filter((edge) => edge.source === "measured" && fits(edge));
  const above = of((edge) => edge.directed && edge.to === node).map((edge) => words(edge.from, edge));
  const open = of((edge) => !edge.directed && (edge.to === node || edge.from === node)).map((edge) => words(edge.to === node ? edge.from : edge.to, edge));
  const below = new Set(of((edge) => edge.directed && edge.from === node).map((edge) => edge.to));
  return [
    plain(node.name), above.length ? say("families.parents", { names: above.join(", ") }) : say("families.founder"),
    ...(open.length ? [say("families.related", { names: open.join(", ") })] : []),
    ...(below.size ? [say("families.children", { count: below.size })] : []),
  ].join(". ") + ".";
};

export const show = async () => {
  const graph = layout(await read("/api/graph"), BOX);
  const canvas = make("canvas", { tabindex: "0", role: "application", "aria-label": say("families.canvas"), "aria-describedby": "help" });
  const line = make("p", { class: "chosen", role: "status" });
  const links = make("ul", { class: "formats", "aria-label": say("families.matches") });
  const view = new View(canvas, graph, (node) => {
    line.replaceChildren(...(node ? [told(node, graph.edges), " ", node.observed ? make("a", { href: to("/model", { model: node.id }) }, say("families.open_model", { name: plain(node.name) })) : ""] : []));
  });
  const search = make("input", { id: "search", type: "search", autocomplete: "off" });
  const matches = make("output", { for: "search" });
  search.addEventListener("input", () => {
    const wanted = search.value.trim().toLowerCase();
    const found = wanted ? graph.nodes.filter((one) => one.text.includes(wanted)) : [];
    view.lit = new Set(found);
    matches.textContent = wanted ? say("families.found", { found: found.length.toLocaleString(), models: graph.nodes.length.toLocaleString() }) : "";
    links.replaceChildren(...found.slice(0, 24).map((one) => make("li", {}, make("button", { type: "button", onclick: () => { view.choose(one); canvas.focus(); } }, name(one.name)))));
    view.draw();
  });
  const kind = make("select", { id: "kind", onchange: () => { view.kind = kind.value; view.draw(); } },
    [["", "all"], ["measured", "measured"], ["declared", "declared"], ["open", "open"]].map(([value, key]) => make("option", { value }, say(`families.${key}`))));
  const button = (key, work) => make("button", { type: "button", onclick: work }, say(`families.${key}`));
  main.append(
    make("p", {}, say("families.count", { models: graph.nodes.length.toLocaleString(), families: graph.families.toLocaleString(), alone: graph.alone.toLocaleString() })),
    make("p", { id: "help" }, say("families.help")),
    make("div", { class: "row" },
      make("div", { class: "field grow" }, make("label", { for: "search" }, say("families.search")), search),
      make("div", { class: "field" }, make("label", { for: "kind" }, say("families.show")), kind),
      make("div", { class: "field" }, make("div", { class: "row" }, button("closer", () => view.zoom(1.4)), button("farther", () => view.zoom(1 / 1.4)), button("whole", () => view.whole())))),
    matches, links, make("div", { class: "view" }, canvas), line,
  );
  document.families = view;
};
