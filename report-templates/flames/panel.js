// Functions in the table.
const HOTTEST = 20;

// A profile's part of the page: tools, maps, flamegraph and table, and the view they share.
class Panel {
  constructor(element) {
    this.element = element;
    this.name = element.dataset.profile;
    this.viewer = element.querySelector(".viewer");
    this.data = element.querySelector(".flame-data");
    this.sortBy = "self";
    this.view = Panel.everything();
  }
  static everything() {
    return {
      who: "node", kernel: false, cpu: null, from: null, to: null,
      threads: false, reverse: false, icicle: false, search: "", only: false,
    };
  }
  get(name) {
    return this.viewer.querySelector("." + name);
  }

  // Reads the samples when they are first looked at.
  open() {
    if (this.profile || !this.data) return;
    this.profile = new Profile(JSON.parse(this.data.textContent));
    this.viewer.hidden = false;
    const detail = this.get("detail");
    this.flame = new Flame(this.get("flame"), {
      zoomed: (is) => (this.get("unzoom").disabled = !is),
      focused: (words) => (detail.textContent = words),
    });
    const maps = Array.from(this.element.querySelectorAll("figure.map > svg"));
    const choose = (from, to) => this.change({ from, to });
    const tell = (words) => (detail.textContent = words);
    this.maps = maps.map((svg) => new HeatMap(svg, choose, tell));
    this.fill();
    this.listen();
    this.refresh();
  }

  // What there is to choose.
  fill() {
    const { profile } = this;
    const who = this.get("who");
    const option = (value, words) => {
      const element = document.createElement("option");
      element.value = value;
      element.textContent = words;
      return element;
    };
    who.append(option("node", "the whole node"));
    const titles = { pod: "Pods", container: "Containers", cgroup: "Outside of pods", process: "Processes" };
    const choices = profile.choices();
    for (const [kind, title] of Object.entries(titles)) {
      if (choices[kind].length === 0) continue;
      const group = document.createElement("optgroup");
      group.label = title;
      for (const [link, words, weight] of choices[kind]) {
        group.append(option(link, `${words} (${percent(weight, profile.total)})`));
      }
      who.append(group);
    }
    const cpus = new Set((profile.samples.cpu || []).filter((cpu) => cpu !== null));
    for (const cpu of Array.from(cpus).sort((a, b) => a - b)) this.get("cpu").append(option(cpu, cpu));
    this.get("on-cpu").hidden = cpus.size < 2;
    for (const part of this.viewer.querySelectorAll(".in-time")) part.hidden = !profile.at;
    this.get("to").placeholder = (profile.span_ms / 1000).toFixed(1);
    const used = new Set(profile.frames.kind).add(profile.mark);
    for (const kind of Array.from(used).sort()) {
      const item = document.createElement("li");
      item.textContent = profile.kinds[kind].words;
      item.style.setProperty("--kind", profile.kinds[kind].fills[0]);
      this.get("kinds").append(item);
    }
  }

  listen() {
    const seconds = (name) => {
      const text = this.get(name).value;
      return text === "" || Number.isNaN(Number(text)) ? null : Number(text);
    };
    const on = (name, event, act) => this.get(name).addEventListener(event, act);
    on("who", "change", () => this.change({ who: this.get("who").value }));
    on("cpu", "change", () => {
      const { value } = this.get("cpu");
      this.change({ cpu: value === "" ? null : Number(value) });
    });
    for (const name of ["from", "to"]) on(name, "change", () => this.change({ [name]: seconds(name) }));
    for (const name of ["kernel", "only", "threads", "reverse", "icicle"]) {
      on(name, "change", () => this.change({ [name]: this.get(name).checked }));
    }
    let waiting;
    on("search", "input", () => {
      this.view.search = this.get("search").value;
      clearTimeout(waiting);
      waiting = setTimeout(() => this.change({}), 120);
    });
    on("unzoom", "click", () => this.flame.zoom(this.flame.tree.root));
    on("reset", "click", () => this.change(Panel.everything()));
    on("by-self", "click", () => this.table("self"));
    on("by-total", "click", () => this.table("total"));
    on("hot", "toggle", () => this.table(this.sortBy));
  }

  change(part) {
    this.view = { ...this.view, ...part };
    this.refresh();
    try {
      history.replaceState(null, "", this.link());
    } catch {
      // An address that cannot be changed is one that cannot be copied: the link below can.
    }
  }

  refresh() {
    const { view, profile } = this;
    const matches = matcher(profile, view.search);
    const { who, kernel, cpu, from, to, threads, reverse } = view;
    const asked = JSON.stringify([who, kernel, cpu, from, to, threads, reverse, view.only && view.search]);
    if (asked !== this.drawn) {
      this.drawn = asked;
      const forwards = fold(profile, view, view.only ? matches : null);
      this.forwards = forwards;
      this.tree = reverse ? forwards.reversed() : forwards;
      this.get("unzoom").disabled = true;
    }
    // Callees first is read from above: the hot function, and below it who called it.
    this.flame.show(this.tree, view.icicle !== reverse, matches);
    this.matches = matches;
    this.say();
    this.table(this.sortBy);
    this.tools();
  }

  say() {
    const { profile, tree, view } = this;
    const words = [weigh(profile.unit, tree.root.total)];
    if (profile.unit !== "count") words.push(`${count(tree.samples)} samples`);
    if (tree.root.total < profile.total) words.push(`${percent(tree.root.total, profile.total)} of all`);
    if (profile.every > 1) words.push(`from one of ${profile.every}`);
    if (this.matches) {
      let matched = 0;
      const visit = (node) => {
        if (this.matches(node.label)) matched += node.total;
        else for (const child of node.list) visit(child);
      };
      visit(tree.root);
      words.push(`${percent(matched, tree.root.total)} match “${view.search}”`);
    }
    if (tree.root.total === 0) words.push("nothing of it was sampled here");
    this.get("status").textContent = words.join(" · ");
  }

  table(sortBy) {
    this.sortBy = sortBy;
    const hot = this.get("hot");
    if (!hot.open) return;
    const { profile, forwards } = this;
    const all = forwards.functions();
    const shown = this.matches ? all.filter(({ label }) => this.matches(label)) : all;
    shown.sort((a, b) => b[sortBy] - a[sortBy] || a.label - b.label);
    const body = hot.querySelector("tbody");
    body.replaceChildren(
      ...shown.slice(0, HOTTEST).map(({ label, self, total }) => {
        const row = document.createElement("tr");
        const cell = (text, name) => {
          const element = document.createElement("td");
          element.textContent = text;
          element.className = name;
          row.append(element);
          return element;
        };
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = profile.label(label);
        button.title = "Show who calls it";
        button.addEventListener("click", () => this.callers(label));
        cell("", "").append(button);
        cell(percent(self, forwards.root.total), "n");
        cell(percent(total, forwards.root.total), "n");
        cell(profile.module(label), "");
        return row;
      }),
    );
    for (const name of ["self", "total"]) {
      const head = this.get("by-" + name).parentElement;
      head.setAttribute("aria-sort", name === sortBy ? "descending" : "none");
    }
  }

  // The hot function, and who called it.
  callers(label) {
    this.change({ reverse: true });
    const node = this.tree.root.children.get(label);
    if (node) this.flame.zoom(node);
    else this.change({ search: "^" + this.profile.label(label).replace(/[.*+?^${}()|[\]\\]/g, "\\$&") + "$" });
    this.flame.element.scrollIntoView({ block: "nearest" });
  }

  // The tools say what is drawn, whoever chose it.
  tools() {
    const { view } = this;
    const who = this.get("who");
    const values = Array.from(who.options, (option) => option.value);
    const known = values.find((value) => value === view.who);
    if (known === undefined) {
      const option = document.createElement("option");
      option.value = option.textContent = view.who;
      who.append(option);
    }
    who.value = view.who;
    this.get("cpu").value = view.cpu === null ? "" : String(view.cpu);
    const number = (value) => (value === null ? "" : String(Number(value.toFixed(3))));
    for (const name of ["from", "to"]) this.get(name).value = number(view[name]);
    for (const name of ["kernel", "only", "threads", "reverse", "icicle"]) this.get(name).checked = view[name];
    if (this.get("search") !== document.activeElement) this.get("search").value = view.search;
    const { from, to } = view;
    const end = this.profile.span_ms;
    const range = from === null && to === null ? null : [(from || 0) * 1000, to === null ? end : to * 1000];
    for (const map of this.maps) map.draw(range);
    this.get("link").href = this.link();
    this.get("command").textContent = this.command();
  }

  // What stands behind the # of a link: the form that `analyze` reads too, and the view's own.
  link() {
    const { view } = this;
    const escape = (text) => encodeURIComponent(text).replace(/%(3A|2F|40)/g, decodeURIComponent);
    const isKernel = view.who === "node" && view.kernel;
    let link = "#flame=" + (isKernel ? "kernel" : escape(view.who));
    if (view.kernel && !isKernel) link += "&kernel";
    for (const name of ["cpu", "from", "to"]) {
      if (view[name] !== null) link += `&${name}=${view[name]}`;
    }
    for (const name of ["threads", "reverse", "icicle", "only"]) link += view[name] ? "&" + name : "";
    if (view.search) link += "&search=" + escape(view.search);
    return this.name === "cpu" ? link : link + "&profile=" + escape(this.name);
  }

  // The same for a terminal.
  command() {
    const { view } = this;
    const quote = (text) => (/^[\w./:@-]+$/.test(text) ? text : `'${text.replace(/'/g, "'\\''")}'`);
    const words = ["analyze flamegraph BUNDLE"];
    if (this.name !== "cpu") words.push("--profile " + quote(this.name));
    const place = view.who.indexOf(":");
    if (place > 0) {
      const flags = { process: "pid", thread: "tid" };
      const word = view.who.slice(0, place);
      words.push(`--${flags[word] || word} ${quote(view.who.slice(place + 1))}`);
    }
    if (view.kernel) words.push("--kernel");
    for (const [name, flag] of [["cpu", "cpu"], ["from", "from"], ["to", "until"]]) {
      if (view[name] !== null) words.push(`--${flag} ${view[name]}`);
    }
    if (view.threads) words.push("--threads");
    if (view.icicle) words.push("--icicle");
    return words.join(" ");
  }
}
