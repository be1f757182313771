// Where each model of a graph is drawn: a tree a family, its generations in rows, the families side by side in bands.

const GAP = { x: 18, y: 62 };

/** The first measured parent of a model carries it; whatever else leads to it is drawn, and moves nothing. */
const trees = (nodes, edges) => {
  for (const edge of edges) {
    if (edge.source === "measured" && edge.directed && edge.to !== edge.from) {
      edge.to.above.push(edge.from);
    }
  }
  for (const edge of edges) { // of what has no direction, the later in the list hangs below the earlier
    if (edge.source === "measured" && !edge.directed && !edge.to.above.length && edge.to !== edge.from && !reaches(edge.to, edge.from)) {
      edge.to.above.push(edge.from);
    }
  }
  for (const node of nodes) { if (node.above.length) { node.above[0].below.push(node); } }
  return nodes.filter((node) => !node.above.length);
};

const reaches = (top, node) => {
  for (let one = node, steps = 0; one && steps < 10_000; one = one.above[0], steps += 1) { if (one === top) { return true; } }
  return false;
};

/** Give every node under `root` a place, leaves from left to right; returns how wide and deep it is. Without recursion. */
const place = (root, box) => {
  let leaf = 0;
  let deepest = 0;
  const stack = [[root, 0, false]];
  while (stack.length) {
    const [node, depth, isDone] = stack.pop();
    deepest = Math.max(deepest, depth);
    if (isDone) {
      node.x = (node.below[0].x + node.below.at(-1).x) / 2;
    } else if (node.below.length) {
      stack.push([node, depth, true], ...node.below.map((one) => [one, depth + 1, false]).reverse());
    } else {
      node.x = leaf * (box.width + GAP.x);
      leaf += 1;
    }
    node.y = depth * (box.height + GAP.y);
  }
  return { width: leaf * (box.width + GAP.x), height: (deepest + 1) * (box.height + GAP.y) };
};

const moved = (root, x, y) => {
  const stack = [root];
  while (stack.length) {
    const node = stack.pop();
    node.x += x;
    node.y += y;
    stack.push(...node.below);
  }
};

/** `lineage/graph/1` with places: nodes (x, y their middle), edges between them, and the size of all. */
export const layout = (graph, box) => {
  const sizes = new Map();
  for (const one of graph.nodes) { sizes.set(one.family, (sizes.get(one.family) || 0) + 1); }
  const nodes = graph.nodes.map((one) => ({ ...one, above: [], below: [], x: 0, y: 0, isAlone: sizes.get(one.family) === 1,
    short: one.name.split("/").at(-1).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "·").slice(0, 40), text: [one.name, one.id, ...one.aliases].join("\n").toLowerCase() }));
  nodes.sort((a, b) => a.family - b.family);
  const byId = new Map(nodes.map((one) => [one.id, one]));
  const edges = graph.edges.map((one) => ({ ...one, from: byId.get(one.parent), to: byId.get(one.child) })).filter((one) => one.from && one.to);
  const roots = trees(nodes, edges);
  const placed = roots.map((root) => ({ root, ...place(root, box) }));
  const area = placed.reduce((sum, one) => sum + one.width * one.height, 0);
  const widest = Math.max(...placed.map((one) => one.width), Math.sqrt(area * 1.8), 1);
  let [x, y, row, width] = [0, 0, 0, 0];
  for (const one of placed) {
    if (x && x + one.width > widest) { [x, y, row] = [0, y + row, 0]; }
    moved(one.root, x + box.width / 2, y + box.height / 2);
    [x, row] = [x + one.width + GAP.x, Math.max(row, one.height)];
    width = Math.max(width, x);
  }
  const alone = nodes.filter((one) => one.isAlone).length;
  return { nodes, edges, roots, width, height: y + row, alone, families: [...sizes.values()].filter((size) => size > 1).length };
};
