// A map of when it was busy: a range of time is drawn with the mouse or with the keys.
class HeatMap {
  constructor(svg, choose, tell) {
    const number = (name) => Number(svg.dataset[name]);
    Object.assign(this, { svg, choose, tell });
    for (const name of ["left", "top", "width", "height", "columns", "rows", "columnMs", "rowMs"]) {
      this[name] = number(name);
    }
    const path = (name) => {
      const element = document.createElementNS("http://www.w3.org/2000/svg", "path");
      element.setAttribute("class", name);
      svg.append(element);
      return element;
    };
    this.selection = path("selection");
    this.mark = path("cursor");
    this.cursor = [0, 0];
    svg.setAttribute("role", "application");
    const label = svg.getAttribute("aria-label");
    svg.setAttribute("aria-label", `${label}. Arrow keys move, with Shift they select, Escape selects all`);
    svg.setAttribute("tabindex", "0");
    const hint = svg.parentElement.querySelector("figcaption span");
    hint.textContent += "; drag to draw that time alone";
    svg.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      svg.setPointerCapture(event.pointerId);
      this.anchor = this.cell(event);
      this.select(this.anchor, this.anchor, false);
    });
    svg.addEventListener("pointermove", (event) => {
      if (this.anchor) this.select(this.anchor, this.cell(event), false);
    });
    svg.addEventListener("pointerup", (event) => {
      if (this.anchor) this.select(this.anchor, this.cell(event), true);
      this.cursor = this.cell(event);
      this.anchor = null;
    });
    svg.addEventListener("pointercancel", () => (this.anchor = null));
    svg.addEventListener("keydown", (event) => this.key(event));
  }

  // A cell's begin and end in milliseconds; by CPU a cell is a column.
  time([column, row]) {
    const begin = column * this.columnMs + row * this.rowMs;
    return [begin, begin + (this.rowMs || this.columnMs)];
  }

  cell(event) {
    const point = new DOMPoint(event.clientX, event.clientY);
    const at = point.matrixTransform(this.svg.getScreenCTM().inverse());
    const [x, y] = [at.x - this.left, this.top + this.height - at.y];
    const within = (value, most) => Math.max(0, Math.min(most - 1, Math.floor(value)));
    const column = within((x / this.width) * this.columns, this.columns);
    return [column, this.rowMs ? within((y / this.height) * this.rows, this.rows) : 0];
  }

  select(a, b, isDone) {
    const [first, second] = [this.time(a), this.time(b)];
    const range = [Math.min(first[0], second[0]), Math.max(first[1], second[1])];
    this.draw(range);
    this.tell(`${(range[0] / 1000).toFixed(2)} s to ${(range[1] / 1000).toFixed(2)} s`);
    if (isDone) this.choose(range[0] / 1000, range[1] / 1000);
  }

  // Outlines a range in milliseconds; by offset it goes up in each column.
  draw(range) {
    let path = "";
    if (range) {
      const wide = this.width / this.columns;
      for (let column = 0; column < this.columns; column++) {
        const begin = column * this.columnMs;
        const from = Math.max(range[0], begin);
        const to = Math.min(range[1], begin + this.columnMs);
        if (from >= to) continue;
        const low = this.rowMs ? (from - begin) / this.columnMs : 0;
        const high = this.rowMs ? (to - begin) / this.columnMs : 1;
        const top = this.top + this.height * (1 - high);
        path += `M${this.left + column * wide} ${top}h${wide}v${this.height * (high - low)}h-${wide}z`;
      }
    }
    this.selection.setAttribute("d", path);
  }

  key(event) {
    const [column, row] = this.cursor;
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const move = moves[event.key];
    if (event.key === "Escape") {
      this.anchor = this.pinned = null;
      this.mark.setAttribute("d", "");
      this.choose(null, null);
    } else if (move) {
      const next = [column + move[0], this.rowMs ? row + move[1] : 0];
      if (next[0] < 0 || next[0] >= this.columns || next[1] < 0 || next[1] >= (this.rowMs ? this.rows : 1)) return;
      if (event.shiftKey && !this.pinned) this.pinned = this.cursor;
      if (!event.shiftKey) this.pinned = null;
      this.cursor = next;
      this.place();
      if (this.pinned) this.select(this.pinned, next, true);
      else this.tell(`${(this.time(next)[0] / 1000).toFixed(2)} s`);
    } else if (event.key === "Enter" || event.key === " ") {
      this.select(this.pinned || this.cursor, this.cursor, true);
    } else {
      return;
    }
    event.preventDefault();
  }

  place() {
    const [column, row] = this.cursor;
    const wide = this.width / this.columns;
    const tall = this.rowMs ? this.height / this.rows : this.height;
    const top = this.top + this.height - (row + 1) * tall;
    this.mark.setAttribute("d", `M${this.left + column * wide} ${top}h${wide}v${tall}h-${wide}z`);
  }
}
