// Folds the samples that travel in the page (analyze/src/profile/excerpt.rs): whatever part of a
// profile is asked for becomes a tree of functions with weights. Nothing here touches the page.

const count = (value) => Math.round(value).toLocaleString("en-US");
const percent = (part, whole) => {
  const share = whole > 0 ? (100 * part) / whole : 0;
  return (share !== 0 && share < 9.95 ? share.toFixed(1) : share.toFixed(0)) + " %";
};

// Weights for people, by the unit of the profile.
const weigh = (unit, value) => {
  if (unit === "nanoseconds") {
    return value < 1e9 ? (value / 1e6).toFixed(1) + " ms" : (value / 1e9).toFixed(2) + " s";
  }
  if (unit === "bytes") {
    const scale = value > 0 ? Math.min(4, Math.floor(Math.log(value) / Math.log(1024))) : 0;
    const shown = scale > 0 ? (value / 1024 ** scale).toFixed(1) : String(value);
    return shown + " " + ["B", "KiB", "MiB", "GiB", "TiB"][scale];
  }
  return count(value) + (value === 1 ? " sample" : " samples");
};

// The excerpt, with times from the begin on. A label is a frame, or behind all frames a name of
// an owner.
class Profile {
  constructor(data) {
    Object.assign(this, data);
    this.frameCount = data.frames.name.length;
    let at = 0;
    this.at = data.samples.time && Float64Array.from(data.samples.time, (since) => (at += since));
    this.size = data.samples.task.length;
    this.mark = data.kinds.length - 1;
    this.taskWeights = new Float64Array(data.tasks.pid.length);
    this.total = 0;
    for (let i = 0; i < this.size; i++) {
      this.taskWeights[data.samples.task[i]] += this.weight(i);
      this.total += this.weight(i);
    }
  }
  weight(sample) {
    return this.samples.weight ? this.samples.weight[sample] : this.samples.each;
  }
  label(label) {
    const frame = label < this.frameCount;
    return this.names[frame ? this.frames.name[label] : label - this.frameCount];
  }
  kind(label) {
    return label < this.frameCount ? this.frames.kind[label] : this.mark;
  }
  module(label) {
    return label < this.frameCount ? this.names[this.frames.module[label]] : "";
  }
  name(id) {
    return id === null ? null : this.names[id];
  }

  // Whether a task is meant by a scope as links have it: `pod:shop/cart-0`.
  has(who, task) {
    const tasks = this.tasks;
    const place = who.indexOf(":");
    const [word, value] = place < 0 ? [who, ""] : [who.slice(0, place), who.slice(place + 1)];
    switch (word) {
      case "pod":
        return this.name(tasks.pod[task]) === value || this.name(tasks.pod_uid[task]) === value;
      case "container": {
        const id = this.name(tasks.container[task]) || "";
        return id === value || (value.length >= 6 && id.startsWith(value));
      }
      case "process":
        return tasks.pid[task] === Number(value);
      case "thread":
        return tasks.tid[task] === Number(value);
      case "cgroup": {
        const slashes = /^\/+|\/+$/g;
        const known = this.name(tasks.cgroup[task]);
        if (known === null) return false;
        const top = value.replace(slashes, "");
        return top === "" || (known.replace(slashes, "") + "/").startsWith(top + "/");
      }
      default:
        return true;
    }
  }

  // The scopes that have samples, heaviest first: [link, words, weight] by kind.
  choices() {
    const tasks = this.tasks;
    const sums = { pod: new Map(), container: new Map(), cgroup: new Map(), process: new Map() };
    const add = (kind, value, words, weight) => {
      if (value === null || weight === 0) return;
      const known = sums[kind].get(value);
      if (known) known[2] += weight;
      else sums[kind].set(value, [kind + ":" + value, words, weight]);
    };
    this.taskWeights.forEach((weight, task) => {
      const owners = tasks.owners[task].map((id) => this.names[id]);
      const process = owners[owners.length - 1];
      const container = this.name(tasks.container[task]);
      const cgroup = this.name(tasks.cgroup[task]);
      add("pod", this.name(tasks.pod[task]), this.name(tasks.pod[task]), weight);
      add("container", container, owners.slice(0, -1).join(", "), weight);
      if (container === null && tasks.pod[task] === null) add("cgroup", cgroup, cgroup, weight);
      add("process", tasks.pid[task], `${tasks.pid[task]} ${process}`, weight);
    });
    const sorted = (map) => Array.from(map.values()).sort((a, b) => b[2] - a[2]);
    return Object.fromEntries(Object.entries(sums).map(([kind, map]) => [kind, sorted(map)]));
  }
}

// A tree of labels with weights: what a flamegraph draws.
class Tree {
  constructor(profile) {
    this.profile = profile;
    this.nodes = [];
    this.root = this.push(null, -1);
    this.samples = 0;
  }
  push(parent, label) {
    const depth = parent ? parent.depth + 1 : 0;
    const node = { parent, label, depth, total: 0, self: 0, x: 0, children: new Map() };
    this.nodes.push(node);
    return node;
  }
  child(node, label) {
    let child = node.children.get(label);
    if (!child) {
      child = this.push(node, label);
      node.children.set(label, child);
    }
    return child;
  }

  // Sums and places: children stand in the order of their names.
  settle() {
    const { profile, nodes } = this;
    for (let i = nodes.length - 1; i >= 0; i--) {
      const node = nodes[i];
      node.total += node.self;
      if (node.parent) node.parent.total += node.total;
    }
    const name = (node) => profile.label(node.label);
    for (const node of nodes) {
      const order = (a, b) => (name(a) < name(b) ? -1 : name(a) > name(b) ? 1 : a.label - b.label);
      node.list = Array.from(node.children.values()).sort(order);
      let x = node.x;
      for (const child of node.list) {
        child.x = x;
        x += child.total;
      }
    }
    // What is narrower than a thousandth of the root is not worth a scroll bar.
    const least = this.root.total / 3000;
    this.deepest = nodes.reduce((most, node) => (node.total > least ? Math.max(most, node.depth) : most), 0);
    return this;
  }

  // The same samples, the innermost function first: below it who called it.
  reversed() {
    const tree = new Tree(this.profile);
    tree.samples = this.samples;
    for (const node of this.nodes) {
      if (node.self === 0) continue;
      let at = tree.root;
      for (let up = node; up.parent; up = up.parent) at = tree.child(at, up.label);
      at.self += node.self;
    }
    return tree.settle();
  }

  // Weight by function: in itself, and with all that it calls, recursion counted once.
  functions() {
    const sums = new Map();
    const open = new Map();
    const visit = (node) => {
      const { label } = node;
      const is = label >= 0 && label < this.profile.frameCount;
      if (is) {
        const sum = sums.get(label) || { label, self: 0, total: 0 };
        sum.self += node.self;
        if (!open.get(label)) sum.total += node.total;
        sums.set(label, sum);
        open.set(label, (open.get(label) || 0) + 1);
      }
      for (const child of node.list) visit(child);
      if (is) open.set(label, open.get(label) - 1);
    };
    visit(this.root);
    return Array.from(sums.values());
  }
}

// Folds the samples that a view asks for.
const fold = (profile, view, matches) => {
  const { samples, stacks, tasks } = profile;
  const tree = new Tree(profile);
  const meant = tasks.pid.map((_, task) => profile.has(view.who, task));
  const kernel = profile.frames.kind.map((kind) => kind === 0);
  const places = new Map();
  const width = stacks.caller.length;
  const owner = (task) => {
    if (view.kernel) return tree.root;
    const labels = tasks.owners[task].map((id) => id + profile.frameCount);
    if (view.threads) labels.push(tasks.thread[task] + profile.frameCount);
    return labels.reduce((node, label) => tree.child(node, label), tree.root);
  };
  const owners = tasks.pid.map(() => null);
  const numbers = new Map();
  const place = (task, stack) => {
    const top = owners[task] || (owners[task] = owner(task));
    if (!numbers.has(top)) numbers.set(top, numbers.size);
    const number = numbers.get(top) * width;
    const missing = [];
    let at = stack;
    while (at !== 0 && !places.has(number + at)) {
      missing.push(at);
      at = stacks.caller[at];
    }
    let node = at === 0 ? top : places.get(number + at);
    for (const next of missing.reverse()) {
      const frame = stacks.frame[next];
      if (!view.kernel || kernel[frame]) node = tree.child(node, frame);
      places.set(number + next, node);
    }
    return node;
  };
  const hit = matches && matchingStacks(profile, matches);
  for (let i = 0; i < profile.size; i++) {
    const [task, stack] = [samples.task[i], samples.stack[i]];
    if (!meant[task]) continue;
    if (view.kernel && (stack === 0 || !kernel[stacks.frame[stack]])) continue;
    if (view.cpu !== null && samples.cpu && samples.cpu[i] !== view.cpu) continue;
    if (view.from !== null && !(profile.at && profile.at[i] >= view.from * 1000)) continue;
    if (view.to !== null && !(profile.at && profile.at[i] < view.to * 1000)) continue;
    if (hit && !hit.stacks[stack] && !hit.tasks[task]) continue;
    place(task, stack).self += profile.weight(i);
    tree.samples += 1;
  }
  return tree.settle();
};

// Which stacks and which tasks carry a label that matches.
const matchingStacks = (profile, matches) => {
  const { stacks, tasks } = profile;
  const found = new Uint8Array(stacks.caller.length);
  for (let i = 1; i < found.length; i++) {
    found[i] = found[stacks.caller[i]] || matches(stacks.frame[i]) ? 1 : 0;
  }
  const owners = tasks.owners.map((ids) => ids.some((id) => matches(id + profile.frameCount)));
  return { stacks: found, tasks: owners };
};

// Whether a label matches a text that a person typed: a regular expression, or just the text.
const matcher = (profile, text) => {
  if (!text) return null;
  const known = new Map();
  let test;
  try {
    const expression = new RegExp(text, "i");
    test = (name) => expression.test(name);
  } catch {
    test = (name) => name.toLowerCase().includes(text.toLowerCase());
  }
  return (label) => {
    if (label < 0) return false;
    if (!known.has(label)) known.set(label, test(profile.label(label)));
    return known.get(label);
  };
};
