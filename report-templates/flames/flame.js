// Draws a tree of functions on a canvas. Nothing of a name ever becomes markup.

// Pixels of a frame, of the narrowest that is drawn, and of the picture before it scrolls.
const ROW = 18;
const NARROWEST = 0.4;
const TALLEST = 468;
const FONT = "11px ui-monospace, 'SF Mono', Menlo, Consolas, monospace";

// Tells which frame is meant, too.
class Flame {
  constructor(element, tell) {
    this.element = element;
    this.canvas = element.querySelector("canvas");
    this.tip = element.parentElement.querySelector(".tip");
    this.tell = tell;
    this.tree = null;
    this.zoomed = null;
    this.focus = null;
    this.matches = null;
    this.isIcicle = false;
    new ResizeObserver(() => this.draw()).observe(element);
    element.addEventListener("scroll", () => this.draw());
    element.addEventListener("mousemove", (event) => this.hover(event));
    element.addEventListener("mouseleave", () => this.point(null));
    element.addEventListener("click", (event) => {
      const node = this.at(event);
      if (node) this.zoom(node);
    });
    element.addEventListener("keydown", (event) => this.key(event));
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", () => this.draw());
  }

  show(tree, isIcicle, matches) {
    const isOther = tree !== this.tree || isIcicle !== this.isIcicle;
    Object.assign(this, { tree, isIcicle, matches });
    if (isOther) {
      this.zoomed = tree.root;
      this.focus = null;
      this.height = (tree.deepest + 1) * ROW;
      this.element.style.height = Math.min(this.height, TALLEST) + 2 + "px";
      this.canvas.parentElement.style.height = this.height + "px";
      this.draw();
      this.element.scrollTop = isIcicle ? 0 : this.height;
    }
    this.draw();
  }

  zoom(node) {
    this.zoomed = node;
    this.focus = node;
    this.tell.zoomed(node !== this.tree.root);
    this.draw();
  }

  // Upper edge of a depth, scrolling set aside.
  top(depth) {
    return this.isIcicle ? depth * ROW : this.height - (depth + 1) * ROW;
  }

  draw() {
    if (!this.tree) return;
    const { canvas, element, tree } = this;
    const [width, height] = [element.clientWidth, Math.min(this.height, TALLEST)];
    const dots = window.devicePixelRatio || 1;
    if (width === 0) return;
    canvas.width = Math.round(width * dots);
    canvas.height = Math.round(height * dots);
    canvas.style.width = width + "px";
    canvas.style.height = height + "px";
    const style = getComputedStyle(element);
    const pen = canvas.getContext("2d");
    pen.scale(dots, dots);
    pen.translate(0, -element.scrollTop);
    pen.font = FONT;
    pen.textBaseline = "middle";
    this.pen = pen;
    this.hit = style.getPropertyValue("--hit").trim();
    this.line = style.getPropertyValue("--ink").trim();
    this.letter = pen.measureText("mmmmmmmmmm").width / 10;
    this.window = [element.scrollTop - ROW, element.scrollTop + height];
    this.scale = width / Math.max(this.zoomed.total, 1e-9);
    for (let up = this.zoomed.parent; up; up = up.parent) this.box(up, 0, width, true);
    this.below(this.zoomed);
    if (this.focus) this.outline(this.focus, width);
  }

  below(node) {
    const width = node.total * this.scale;
    if (width < NARROWEST) return;
    this.box(node, (node.x - this.zoomed.x) * this.scale, width, false);
    for (const child of node.list) this.below(child);
  }

  box(node, x, width, isPassed) {
    const top = this.top(node.depth);
    if (top < this.window[0] || top > this.window[1]) return;
    const { pen, tree } = this;
    const { profile } = tree;
    const isHit = this.matches && this.matches(node.label);
    const kind = profile.kinds[node.label < 0 ? profile.mark : profile.kind(node.label)];
    pen.globalAlpha = isPassed ? 0.75 : 1;
    pen.fillStyle = isHit ? this.hit : kind.fills[Math.max(0, node.label) % kind.fills.length];
    const gap = width > 3 ? 1 : 0;
    pen.fillRect(x, top, Math.max(width - gap, NARROWEST), ROW - 1);
    pen.globalAlpha = 1;
    const letters = Math.floor((width - 6) / this.letter);
    if (letters >= 3) {
      pen.fillStyle = isHit ? "#fff" : "#16191c";
      const text = this.text(node);
      const shown = text.length > letters ? text.slice(0, letters - 1) + "…" : text;
      pen.fillText(shown, x + 3, top + ROW / 2);
    }
  }

  outline(node, width) {
    let [x, wide] = [(node.x - this.zoomed.x) * this.scale, node.total * this.scale];
    if (x < 0 || wide > width) [x, wide] = [0, width];
    this.pen.strokeStyle = this.line;
    this.pen.lineWidth = 2;
    this.pen.strokeRect(x + 1, this.top(node.depth) + 1, Math.max(wide - 3, 1), ROW - 3);
  }

  text(node) {
    return node.label < 0 ? "all" : this.tree.profile.label(node.label);
  }

  // Everything about a frame, for people.
  words(node) {
    const { profile, root } = this.tree;
    const words = [this.text(node)];
    const kind = node.label < 0 ? profile.mark : profile.kind(node.label);
    if (kind !== profile.mark) words.push(profile.kinds[kind].words);
    const module = node.label >= 0 ? profile.module(node.label) : "";
    if (module) words.push(module);
    const shares = [`${percent(node.total, root.total)} of what is drawn`];
    if (node.self > 0 && node.self < node.total) shares.push(`${percent(node.self, root.total)} itself`);
    return `${words.join(" · ")}: ${weigh(profile.unit, node.total)}, ${shares.join(", ")}`;
  }

  at(event) {
    if (!this.tree) return null;
    const box = this.element.getBoundingClientRect();
    const y = event.clientY - box.top - this.element.clientTop + this.element.scrollTop;
    const x = event.clientX - box.left - this.element.clientLeft;
    const row = Math.floor(y / ROW);
    const depth = this.isIcicle ? row : Math.floor((this.height - y) / ROW);
    let node = this.zoomed;
    if (depth < node.depth) {
      while (node && node.depth > depth) node = node.parent;
      return depth < 0 ? null : node;
    }
    const weight = this.zoomed.x + x / this.scale;
    while (node && node.depth < depth) {
      node = node.list.find((child) => weight >= child.x && weight < child.x + child.total);
    }
    return node || null;
  }

  hover(event) {
    const node = this.at(event);
    this.point(node);
    if (!node) return;
    const box = this.element.parentElement.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const [isRight, isLow] = [x > box.width / 2, y > box.height / 2];
    const { style } = this.tip;
    style.left = isRight ? "auto" : x + 12 + "px";
    style.right = isRight ? box.width - x + 12 + "px" : "auto";
    style.top = isLow ? "auto" : y + 16 + "px";
    style.bottom = isLow ? box.height - y + 10 + "px" : "auto";
  }

  point(node) {
    this.tip.hidden = !node;
    if (node) this.tip.textContent = this.words(node);
    this.element.style.cursor = node ? "pointer" : "";
  }

  key(event) {
    if (!this.tree || event.ctrlKey || event.altKey || event.metaKey) return;
    const node = this.focus || this.zoomed;
    const beside = (step) => {
      const list = node.parent ? node.parent.list : [node];
      return list[list.indexOf(node) + step];
    };
    const widest = () =>
      node.list.reduce((best, child) => (best && best.total >= child.total ? best : child), null);
    const outwards = this.isIcicle ? "ArrowUp" : "ArrowDown";
    const inwards = this.isIcicle ? "ArrowDown" : "ArrowUp";
    const moves = {
      [outwards]: () => node.parent,
      [inwards]: () => (this.focus ? widest() : node),
      ArrowLeft: () => beside(-1),
      ArrowRight: () => beside(1),
      Home: () => this.tree.root,
    };
    if (event.key === "Enter" || event.key === " ") {
      this.zoom(node);
    } else if (event.key === "Escape") {
      this.zoom(this.tree.root);
    } else if (moves[event.key]) {
      this.focus = moves[event.key]() || node;
      if (this.focus.depth < this.zoomed.depth) this.zoomed = this.focus;
      const top = this.top(this.focus.depth);
      const { element } = this;
      if (top < element.scrollTop) element.scrollTop = top;
      if (top + ROW > element.scrollTop + TALLEST) element.scrollTop = top + ROW - TALLEST;
      this.draw();
    } else {
      return;
    }
    event.preventDefault();
    this.tell.focused(this.words(this.focus || this.zoomed));
  }
}
