"use strict";
// The viewer of `ontrace draw`: lays out what is not folded, draws what is in view, and shows what is known of what is clicked. Names from the model go into
// text nodes only.

const model = JSON.parse(document.getElementById("model").textContent);
const byId = (id) => document.getElementById(id);
const canvas = byId("canvas"), scene = byId("scene"), lineLayer = byId("lines"), boxLayer = byId("boxes"), panel = byId("panel");
const { blocks, scopes } = model;

// An element with attributes and children; text is text.
function element(tag, attributes = {}, ...children) {
  const isSvg = ["svg", "g", "rect", "path", "text", "title"].includes(tag);
  const made = isSvg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") made.addEventListener("click", value);
    else made.setAttribute(name, value);
  }
  made.append(...children.map((child) => (child instanceof Node ? child : document.createTextNode(String(child)))));
  return made;
}

// ---- Which blocks are visible ----

const folded = new Set();
scopes.forEach((scope, i) => {
  scope.depth = scope.scope < 0 ? 1 : scopes[scope.scope].depth + 1;
  scope.children = [];
  scope.members = [];
  if (scope.scope >= 0) scopes[scope.scope].children.push(i);
});
blocks.forEach((block, i) => {
  for (let s = block.scope; s >= 0; s = scopes[s].scope) scopes[s].members.push(i);
});
const deepest = scopes.reduce((most, scope) => Math.max(most, scope.members.length > 1 ? scope.depth : 0), 0);

// Folds the scopes at a depth, and the larger ones below, which are then folded when their scope is unfolded. A scope of one node stays that node.
function foldTo(depth) {
  folded.clear();
  scopes.forEach((scope, i) => {
    if (depth !== null && scope.depth >= Math.max(depth, 1) && scope.members.length > (scope.depth > depth ? 3 : 1)) folded.add(i);
  });
}

// The outermost folded scope around a block or scope, or -1.
function foldedAround(scope) {
  let found = -1;
  for (let s = scope; s >= 0; s = scopes[s].scope) if (folded.has(s)) found = s;
  return found;
}

// ---- Layout: as in layout.rs ----

const GAP = { layer: 34, box: 22, line: 14 }, MOST_POINTS = 60000;

function visibleItems() {
  const items = [], of = new Array(blocks.length), byScope = new Map();
  blocks.forEach((block, i) => {
    const scope = foldedAround(block.scope);
    if (scope < 0) {
      of[i] = items.length;
      items.push({ block, scope: -1, members: [i], hint: block.x });
    } else {
      if (!byScope.has(scope)) {
        byScope.set(scope, items.length);
        items.push({ block: scopes[scope], scope, members: scopes[scope].members, hint: 0 });
      }
      of[i] = byScope.get(scope);
    }
  });
  for (const item of items) item.hint = item.members.reduce((sum, i) => sum + blocks[i].x, 0) / item.members.length;
  const edges = new Map();
  for (const [from, to, value, type] of model.edges) {
    const a = of[from], b = of[to];
    if (a === b) continue;
    const key = a * items.length + b;
    if (!edges.has(key)) edges.set(key, { from: a, to: b, values: [] });
    edges.get(key).values.push(type ? value + " " + type : value);
  }
  return { items, edges: [...edges.values()], of };
}

function layOut({ items, edges }) {
  const count = items.length;
  for (const item of items) Object.assign(item, { w: item.block.width, h: item.block.height, above: [], below: [], layer: 0 });
  // Every edge goes down in the order of the boxes, so that there is no cycle.
  const up = items.map(() => []), down = items.map(() => []);
  for (const edge of edges) {
    [edge.a, edge.b] = edge.from < edge.to ? [edge.from, edge.to] : [edge.to, edge.from];
    down[edge.a].push(edge.b);
    up[edge.b].push(edge.a);
  }
  for (let i = 0; i < count; i++) items[i].layer = up[i].reduce((most, j) => Math.max(most, items[j].layer + 1), 0);
  for (let i = count - 1; i >= 0; i--) {
    if (down[i].length && up[i].length <= down[i].length) {
      items[i].layer = Math.max(items[i].layer, down[i].reduce((least, j) => Math.min(least, items[j].layer - 1), Infinity));
    }
  }
  // A long line goes through a point in every layer; the lines of one box share them.
  const all = items.slice(), points = items.map(() => []);
  const join = (a, b, weight) => { all[a].below.push([b, weight]); all[b].above.push([a, weight]); };
  for (const edge of edges) {
    const { a, b } = edge, needed = items[b].layer - items[a].layer - 1;
    edge.chain = [a];
    if (all.length - count + needed - points[a].length <= MOST_POINTS) {
      while (points[a].length < needed) {
        const n = points[a].length, last = n ? points[a][n - 1] : a;
        all.push({ w: 0, h: 0, above: [], below: [], layer: items[a].layer + n + 1, hint: items[a].hint + ((items[b].hint - items[a].hint) * (n + 1)) / (needed + 1) });
        join(last, all.length - 1, n ? 6 : 1);
        points[a].push(all.length - 1);
      }
      edge.chain.push(...points[a].slice(0, needed));
      join(edge.chain[edge.chain.length - 1], b, 1);
    }
    edge.chain.push(b);
  }
  const layers = [];
  all.forEach((item, i) => (layers[item.layer] = layers[item.layer] || []).push(i));
  order(all, layers);
  align(all, layers);
  straighten(all, layers);
  // From top to bottom.
  let y = 0;
  for (const layer of layers) {
    const height = layer.reduce((most, i) => Math.max(most, all[i].h), 0);
    for (const i of layer) Object.assign(all[i], { top: y, bottom: y + height, y: y + height / 2 });
    y += height + GAP.layer;
  }
  // The longest line of a box is drawn whole, the others from where they leave it.
  const longest = new Map();
  for (const edge of edges) if ((longest.get(edge.a) || edge).chain.length <= edge.chain.length) longest.set(edge.a, edge);
  for (const edge of edges) {
    edge.points = [];
    const trunk = longest.get(edge.a) === edge ? 0 : edge.chain.length - 2;
    edge.chain.slice(trunk).forEach((i, step) => {
      const item = all[i], at = step + trunk;
      if (at && at === trunk) edge.points.push([item.x, item.bottom]);
      else if (at > 0) edge.points.push([item.x, item.top], [item.x, at + 1 === edge.chain.length ? item.y - item.h / 2 : item.bottom]);
      else edge.points.push([item.x, item.y + item.h / 2], [item.x, item.bottom]);
    });
    if (edge.chain[0] !== edge.from) edge.points.reverse();
  }
}

// The positions in the picture of the whole graph give the order; a few passes of barycentres mend it where points were added.
function order(all, layers) {
  const index = new Float64Array(all.length);
  const sort = (layer, key) => {
    const keys = new Map(layer.map((i) => [i, key(i)]));
    layer.sort((i, j) => keys.get(i) - keys.get(j) || i - j);
    layer.forEach((i, at) => (index[i] = at));
  };
  for (const layer of layers) sort(layer, (i) => all[i].hint);
  const mean = (near, i) => (near.length ? near.reduce((sum, [j]) => sum + index[j], 0) / near.length : index[i]);
  for (let sweep = 0; sweep < 4; sweep++) {
    const isDown = sweep % 2 === 0;
    for (const layer of isDown ? layers : layers.slice().reverse()) sort(layer, (i) => mean(isDown ? all[i].above : all[i].below, i));
  }
}

const distance = (a, b) => (a.w + b.w) / 2 + (a.w === 0 && b.w === 0 ? GAP.line : GAP.box);

// Moves every item towards its neighbours, as far as the order and the distances allow (isotonic regression by pooling).
function align(all, layers) {
  for (const layer of layers) {
    let x = 0;
    layer.forEach((i, at) => { x += at ? distance(all[layer[at - 1]], all[i]) : 0; all[i].x = x; });
    for (const i of layer) all[i].x -= x / 2;
  }
  const sweeps = 24;
  for (let sweep = 0; sweep < sweeps; sweep++) {
    const both = sweep + 6 >= sweeps, isDown = sweep % 2 === 0;
    for (const layer of isDown ? layers : layers.slice().reverse()) {
      const pools = [], offsets = [];
      let offset = 0;
      layer.forEach((i, at) => {
        const item = all[i];
        let sum = 0, weight = 0;
        // A box follows boxes, and a line itself, where there are any on a side.
        for (const [side, isAsked] of [[item.above, both || isDown || !item.below.length], [item.below, both || !isDown || !item.above.length]]) {
          if (!isAsked) continue;
          const isAlike = ([j]) => (all[j].w > 0) === (item.w > 0), hasAlike = side.some(isAlike);
          for (const [j, w] of side) if (!hasAlike || isAlike([j])) { sum += w * all[j].x; weight += w; }
        }
        // Boxes are drawn to the middle a little: blocks that lean to one side would add up.
        if (item.w > 0) weight += 0.05;
        offset += at ? distance(all[layer[at - 1]], all[i]) : 0;
        offsets.push(offset);
        let pool = [(weight ? sum / weight : item.x) - offset, weight || 0.1, 1];
        while (pools.length && pools[pools.length - 1][0] > pool[0]) {
          const before = pools.pop(), total = before[1] + pool[1];
          pool = [(before[0] * before[1] + pool[0] * pool[1]) / total, total, before[2] + pool[2]];
        }
        pools.push(pool);
      });
      let at = 0;
      for (const [x, , size] of pools) for (let n = 0; n < size; n++, at++) all[layer[at]].x = x + offsets[at];
    }
  }
}

// Makes the lines vertical that nearly are, where all of their layers have room for that.
function straighten(all, layers) {
  const beside = all.map(() => [-1, -1]);
  for (const layer of layers) layer.forEach((i, at) => { if (at) { beside[i][0] = layer[at - 1]; beside[layer[at - 1]][1] = i; } });
  const isPoint = (i) => all[i].w === 0;
  const next = (i) => {
    const below = all[i].below;
    if (below.length === 1 && all[below[0][0]].above.length === 1 && isPoint(i) === isPoint(below[0][0])) return below[0][0];
    const point = below.find(([j]) => isPoint(i) && isPoint(j));
    return point ? point[0] : -1;
  };
  const inner = new Set(all.map((_, i) => next(i)));
  all.forEach((_, start) => {
    if (inner.has(start)) return;
    const run = [];
    for (let i = start; i >= 0; i = next(i)) run.push(i);
    let low = -Infinity, high = Infinity;
    for (const i of run) {
      const [left, right] = beside[i];
      if (left >= 0) low = Math.max(low, all[left].x + distance(all[left], all[i]));
      if (right >= 0) high = Math.min(high, all[right].x - distance(all[i], all[right]));
    }
    const x = Math.min(Math.max(run.reduce((sum, i) => sum + all[i].x, 0) / run.length, low), high);
    if (low <= high) for (const i of run) all[i].x = x;
  });
}

// ---- Drawing: only what is in view has elements ----

let graph = { items: [], edges: [], of: [] }, view = { x: 0, y: 0, scale: 1 }, selected = null, matches = [], match = -1, coloring = model.coloring;
const highlighted = new Set(model.highlighted);

function path(points) {
  const distinct = points.filter(([x, y], at) => !at || Math.hypot(x - points[at - 1][0], y - points[at - 1][1]) > 0.05);
  return distinct.map(([x, y], at) => {
    if (!at) return `M${x.toFixed(1)} ${y.toFixed(1)}`;
    const [x0, y0] = distinct[at - 1], middle = ((y0 + y) / 2).toFixed(1);
    return Math.abs(x0 - x) < 0.05 ? `V${y.toFixed(1)}` : `C${x0.toFixed(1)} ${middle} ${x.toFixed(1)} ${middle} ${x.toFixed(1)} ${y.toFixed(1)}`;
  }).join("");
}

function drawBox(item, at) {
  const { block, w, h } = item, round = block.kind === "input" || block.kind === "output" ? 12 : 4;
  const group = element("g", { transform: `translate(${item.x - w / 2} ${item.y - h / 2})`, "data-name": block.name, "data-kind": block.kind });
  if (block.kind === "scope") group.append(element("rect", { class: "box", x: 4, y: 4, width: w, height: h, rx: 4 }));
  group.append(element("rect", { class: "box", width: w, height: h, rx: round }));
  group.append(element("path", { fill: block.color[coloring], d: block.rows.length ? `M0 24V${round}A${round} ${round} 0 0 1 ${round} 0H${w - round}A${round} ${round} 0 0 1 ${w} ${round}V24z` : `M${round} 0H${w - round}A${round} ${round} 0 0 1 ${w - round} ${h}H${round}A${round} ${round} 0 0 1 ${round} 0z` }));
  group.append(element("text", { class: "header", x: w / 2, y: 16.5 }, block.header));
  const hasName = block.name && block.name !== block.operator && (block.kind === "node" || block.kind === "scope");
  block.rows.forEach((row, n) => group.append(element("text", { class: hasName && !n ? "name" : "", x: w / 2, y: 24 + 15 * (n + 0.85) }, row)));
  group.addEventListener("click", () => { if (!dragged) select(at); });
  if (item.scope >= 0) group.addEventListener("dblclick", () => unfold(item.scope));
  return group;
}

function render() {
  const { width, height } = canvas.getBoundingClientRect();
  const margin = 100, left = (-margin - view.x) / view.scale, top = (-margin - view.y) / view.scale;
  const right = (width + margin - view.x) / view.scale, bottom = (height + margin - view.y) / view.scale;
  scene.setAttribute("transform", `translate(${view.x} ${view.y}) scale(${view.scale})`);
  scene.setAttribute("class", view.scale < 0.3 ? "far" : "");
  graph.items.forEach((item, at) => {
    const isIn = item.x + item.w / 2 >= left && item.x - item.w / 2 <= right && item.y + item.h / 2 >= top && item.y - item.h / 2 <= bottom;
    if (isIn && !item.element) boxLayer.append((item.element = drawBox(item, at)));
    else if (!isIn && item.element) { item.element.remove(); item.element = null; }
    if (item.element) {
      const is = { selected: at === selected, match: matches[match] === at, highlighted: item.members.some((i) => highlighted.has(i)) };
      item.element.setAttribute("class", "item " + Object.keys(is).filter((name) => is[name]).join(" "));
    }
  });
  for (const edge of graph.edges) {
    const isIn = edge.right >= left && edge.left <= right && edge.bottom >= top && edge.top <= bottom;
    if (isIn && !edge.element) lineLayer.append((edge.element = element("path", { d: path(edge.points) }, element("title", {}, edge.values.join("\n")))));
    else if (!isIn && edge.element) { edge.element.remove(); edge.element = null; }
    if (edge.element) edge.element.setAttribute("class", selected !== null && (edge.from === selected || edge.to === selected) ? "line near" : "line");
  }
}

let isAsked = false;
function renderSoon() {
  if (isAsked) return;
  isAsked = true;
  requestAnimationFrame(() => { isAsked = false; render(); });
}

// Lays out anew; the block in `keep` stays where it is on the screen.
function update(keep = null) {
  const before = keep === null || !graph.items.length ? null : position(graph.items[graph.of[keep]]);
  const chosen = selected === null ? null : graph.items[selected].members[0];
  lineLayer.replaceChildren();
  boxLayer.replaceChildren();
  graph = visibleItems();
  layOut(graph);
  for (const edge of graph.edges) {
    const xs = edge.points.map((point) => point[0]), ys = edge.points.map((point) => point[1]);
    Object.assign(edge, { left: Math.min(...xs), right: Math.max(...xs), top: Math.min(...ys), bottom: Math.max(...ys) });
  }
  selected = chosen === null ? null : graph.of[chosen];
  find(byId("search").value, false);
  if (before) {
    const item = graph.items[graph.of[keep]];
    view.x = before[0] - item.x * view.scale;
    view.y = before[1] - item.y * view.scale;
  }
  show();
  render();
}

const position = (item) => [item.x * view.scale + view.x, item.y * view.scale + view.y];

function fit(most = 1.2) {
  const { width, height } = canvas.getBoundingClientRect();
  const left = Math.min(...graph.items.map((item) => item.x - item.w / 2)), right = Math.max(...graph.items.map((item) => item.x + item.w / 2));
  const bottom = Math.max(...graph.items.map((item) => item.y + item.h / 2));
  view.scale = Math.max(0.002, Math.min(most, (width - 40) / Math.max(right - left, 1), (height - 40) / Math.max(bottom, 1)));
  view.x = width / 2 - ((left + right) / 2) * view.scale;
  view.y = Math.max(20, (height - bottom * view.scale) / 2);
  renderSoon();
}

// The beginning in view, at a size that can be read.
function fitTop() {
  fit();
  if (view.scale < 0.7 && graph.items.length) {
    const { width } = canvas.getBoundingClientRect(), xs = graph.items.map((item) => item.x), first = graph.items[0];
    view.scale = Math.max(view.scale, Math.min(0.9, (width - 40) / (Math.max(...xs) - Math.min(...xs) + 300)), 0.5);
    view.x = width / 2 - first.x * view.scale;
    view.y = 20 - (first.y - first.h / 2) * view.scale;
  }
  renderSoon();
}

function zoom(factor, x, y) {
  const scale = Math.max(0.002, Math.min(6, view.scale * factor));
  view.x = x - ((x - view.x) * scale) / view.scale;
  view.y = y - ((y - view.y) * scale) / view.scale;
  view.scale = scale;
  renderSoon();
}

function center(at) {
  const { width, height } = canvas.getBoundingClientRect(), item = graph.items[at];
  if (view.scale < 0.45) view.scale = 0.8;
  view.x = width / 2 - item.x * view.scale;
  view.y = height / 2 - item.y * view.scale;
  renderSoon();
}

function unfold(scope) {
  folded.delete(scope);
  update(scopes[scope].members[0]);
}

function fold(scope) {
  folded.add(scope);
  update(scopes[scope].members[0]);
}

// ---- The panel ----

function select(at) {
  selected = at;
  show();
  renderSoon();
}

const bytes = (n) => {
  const units = ["B", "kB", "MB", "GB"];
  let at = 0;
  while (n >= 999.95 && at < 3) { n /= 1000; at++; }
  return (at ? n.toFixed(1) : n) + " " + units[at];
};
const number = (x) => (x === null ? "–" : Number(x.toPrecision(4)).toString());
const table = (rows) => element("table", {}, ...rows.map(([name, ...values]) => element("tr", {}, element("td", {}, name), element("td", { class: "mono" }, ...values))));

// A link to a block, wherever it is folded.
function link(block) {
  return element("a", { onclick: () => { select(graph.of[block]); center(graph.of[block]); } }, blocks[block].name || blocks[block].operator);
}

function constant(index) {
  const { name, type, bytes: size, distribution } = model.constants[index];
  const parts = [element("div", { class: "mono" }, name), element("div", {}, type + " · " + bytes(size))];
  if (distribution && distribution.values) parts.push(element("div", { class: "mono" }, distribution.values));
  else if (distribution) {
    const [low, high, mean, deviation] = distribution.range, most = Math.max(1, ...distribution.bars);
    if (distribution.bars.length) {
      const bars = distribution.bars.map((n, i) => element("rect", { x: i * 10, y: 50 - (n / most) * 50, width: 9, height: (n / most) * 50 }));
      parts.push(element("svg", { class: "bars", viewBox: `0 0 ${distribution.bars.length * 10} 50`, preserveAspectRatio: "none" }, ...bars));
    }
    parts.push(element("div", {}, `${number(low)} to ${number(high)} · mean ${number(mean)} · deviation ${number(deviation)}`));
    if (distribution.not_finite) parts.push(element("div", {}, `${distribution.not_finite} not finite`));
    if (distribution.sampled < distribution.elements) parts.push(element("div", {}, `from ${distribution.sampled} of ${distribution.elements} elements`));
  }
  return parts;
}

function operands(title, list, isInput, block) {
  const named = list.filter(([name]) => name);
  if (!named.length) return [];
  return [element("h3", {}, title), table(named.map(([name, type, index]) => {
    if (index !== null) return ["constant", ...constant(index)];
    const ends = model.edges.filter((edge) => edge[2] === name && (isInput ? edge[1] : edge[0]) === block).map((edge) => (isInput ? edge[0] : edge[1]));
    const links = [...new Set(ends)].slice(0, 12).flatMap((end) => [isInput ? " ← " : " → ", link(end)]);
    return [type || "?", element("div", {}, name), element("div", {}, ...links)];
  }))];
}

function scopeRow(index) {
  const scope = scopes[index], isFolded = folded.has(index);
  const name = element("a", { onclick: () => { const at = graph.of[scope.members[0]]; select(at); center(at); } }, scope.header);
  const button = element("button", { "data-scope": scope.name, title: isFolded ? "unfold" : "fold", onclick: () => (isFolded ? unfold(index) : fold(index)) }, isFolded ? "+" : "−");
  return element("div", { class: "row" }, button, name, element("span", { class: "count" }, scope.operators));
}

function scopeTree(list, depth) {
  const rows = list.filter((index) => scopes[index].members.length > 1).slice(0, 400).flatMap((index) => {
    const inner = !folded.has(index) && depth < 40 ? scopeTree(scopes[index].children, depth + 1) : [];
    return inner.length ? [scopeRow(index), element("div", { class: "tree" }, ...inner)] : [scopeRow(index)];
  });
  return rows;
}

function show() {
  const parts = [];
  if (selected === null) {
    const nodes = blocks.filter((block) => block.kind === "node");
    parts.push(element("h2", {}, model.title), table([["nodes", nodes.length], ["constants", model.constants.length + " · " + bytes(model.constants.reduce((sum, one) => sum + one.bytes, 0))]]));
    const values = (kind) => table(blocks.map((block, i) => [block, i]).filter(([block]) => block.kind === kind).map(([block, i]) => [link(i), (block.inputs[0] || block.outputs[0])[1]]));
    parts.push(element("h3", {}, "inputs"), values("input"), element("h3", {}, "outputs"), values("output"));
    const tree = scopeTree(scopes.map((_, i) => i).filter((i) => scopes[i].scope < 0), 0);
    if (tree.length) parts.push(element("h3", {}, "modules: fold and unfold"), ...tree);
  } else {
    const item = graph.items[selected], { block } = item;
    const facts = [["name", block.name]];
    if (block.line) facts.push(["source", block.line]);
    if (block.kind === "scope") facts.push(["nodes", block.operators]);
    if (block.bytes) facts.push(["constants", bytes(block.bytes)]);
    if (block.seconds !== null) facts.push(["time", number(block.seconds * 1e3) + " ms"]);
    if (block.difference !== null) facts.push(["difference", number(block.difference) + " × what rounding explains"]);
    parts.push(element("h2", {}, block.operator), table(facts));
    if (block.attributes.length) parts.push(element("h3", {}, "attributes"), table(block.attributes));
    if (block.kind !== "scope") parts.push(...operands("inputs", block.inputs, true, item.members[0]), ...operands("outputs", block.outputs, false, item.members[0]));
    const around = [];
    for (let s = item.scope >= 0 ? item.scope : block.scope; s >= 0; s = scopes[s].scope) if (scopes[s].members.length > 1) around.unshift(s);
    if (around.length) parts.push(element("h3", {}, "modules around it"), ...around.map(scopeRow));
    parts.push(element("h3", {}), element("button", { onclick: () => select(null) }, "Back to the model"));
  }
  panel.replaceChildren(...parts);
}

// ---- Search ----

function find(text, moves = true) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const says = (block) => [block.operator, block.name, block.line, ...block.rows, ...block.inputs.filter((one) => one[2] !== null).map((one) => one[0]), ...block.outputs.map((one) => one[0])].join("\n").toLowerCase();
  matches = [];
  match = -1;
  if (words.length) {
    const found = new Set();
    blocks.forEach((block, i) => {
      const all = (block.says = block.says || says(block));
      if (words.every((word) => all.includes(word))) found.add(graph.of[i]);
    });
    matches = [...found].sort((a, b) => a - b);
    if (matches.length && moves) next(1);
  }
  byId("matches").textContent = words.length ? (matches.length ? `${match + 1} of ${matches.length}` : "none") : "";
  renderSoon();
}

function next(step) {
  if (!matches.length) return;
  match = (match + step + matches.length) % matches.length;
  byId("matches").textContent = `${match + 1} of ${matches.length}`;
  center(matches[match]);
}

// ---- Pointer, wheel and keys ----

let dragging = null, dragged = false;
canvas.addEventListener("pointerdown", (event) => { dragging = { x: event.clientX - view.x, y: event.clientY - view.y, from: [event.clientX, event.clientY] }; dragged = false; });
window.addEventListener("pointermove", (event) => {
  if (!dragging) return;
  if (Math.hypot(event.clientX - dragging.from[0], event.clientY - dragging.from[1]) > 4) { dragged = true; canvas.classList.add("dragging"); }
  if (dragged) { view.x = event.clientX - dragging.x; view.y = event.clientY - dragging.y; renderSoon(); }
});
window.addEventListener("pointerup", () => { dragging = null; canvas.classList.remove("dragging"); });
canvas.addEventListener("click", (event) => { if (!dragged && event.target === canvas) select(null); });
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  const box = canvas.getBoundingClientRect();
  if (event.shiftKey) { view.x -= event.deltaY + event.deltaX; renderSoon(); }
  else zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.clientX - box.left, event.clientY - box.top);
}, { passive: false });
window.addEventListener("resize", renderSoon);
byId("search").addEventListener("input", (event) => find(event.target.value));
byId("search").addEventListener("keydown", (event) => {
  if (event.key === "Enter") { if (matches[match] !== undefined) select(matches[match]); next(event.shiftKey ? -1 : 1); }
  if (event.key === "Escape") { event.target.value = ""; find(""); canvas.focus(); }
});
window.addEventListener("keydown", (event) => {
  if (["INPUT", "SELECT"].includes(event.target.tagName)) return;
  const { width, height } = canvas.getBoundingClientRect();
  const moves = { ArrowLeft: [80, 0], ArrowRight: [-80, 0], ArrowUp: [0, 80], ArrowDown: [0, -80], PageDown: [0, -height * 0.8], PageUp: [0, height * 0.8] };
  if (event.key === "/") { event.preventDefault(); byId("search").focus(); }
  else if (event.key === "+" || event.key === "=") zoom(1.25, width / 2, height / 2);
  else if (event.key === "-") zoom(0.8, width / 2, height / 2);
  else if (event.key === "0") fit();
  else if (event.key === "Escape") select(null);
  else if (moves[event.key]) { view.x += moves[event.key][0]; view.y += moves[event.key][1]; renderSoon(); }
});

// ---- Beginning ----

function showLegend() {
  const rows = model.colorings[coloring].legend.map(([text, color]) => element("div", {}, element("svg", { viewBox: "0 0 10 10" }, element("rect", { width: 10, height: 10, rx: 2, fill: color })), text));
  byId("legend").replaceChildren(...rows);
}

byId("title").textContent = model.title;
model.colorings.forEach(({ name }, i) => byId("coloring").append(element("option", { value: i }, name)));
byId("coloring").value = coloring;
byId("coloring").addEventListener("change", (event) => { coloring = Number(event.target.value); showLegend(); for (const item of graph.items) { if (item.element) item.element.remove(); item.element = null; } render(); });
byId("depth").append(element("option", { value: "" }, "nothing folded"));
for (let depth = 1; depth <= deepest; depth++) byId("depth").append(element("option", { value: depth }, depth));
byId("depth").value = model.depth === null ? "" : Math.max(1, Math.min(model.depth, deepest)) || "";
byId("depth").addEventListener("change", (event) => { foldTo(event.target.value ? Number(event.target.value) : null); update(); fitTop(); });
byId("fit").addEventListener("click", () => fit());
foldTo(model.depth);
showLegend();
update();
fitTop();
