// A scatter plot on a canvas that stays quick with 100,000 points: zoom, pan, lasso, hover, names, marks.
const REACH = 9; // pixels around the pointer in which a point is found
const CELLS = 128; // the index for the pointer has so many cells a side
const AROUND = 70; // pixels around the middle that Enter selects

export class Plot {
  // `data`: n, x and y (Float32Array, within -1 and 1). `on`: hover(row or -1, left, top), select(rows), moved().
  constructor(canvas, data, on) {
    Object.assign(this, { canvas, data, on, mode: "pan", path: null, names: [], marks: [], shown: null });
    this.ink = canvas.getContext("2d");
    this.pointers = new Map();
    this.index();
    this.colour(new Uint8Array(data.n), ["#777777"]);
    this.listen();
    new ResizeObserver(() => this.resize()).observe(canvas);
    this.resize();
  }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.canvas;
    if (!clientWidth || !clientHeight) return;
    this.canvas.width = Math.round(clientWidth * ratio);
    this.canvas.height = Math.round(clientHeight * ratio);
    Object.assign(this, { width: clientWidth, height: clientHeight, ratio });
    if (!this.scale) this.fit();
    else this.draw();
  }

  fit() {
    this.least = Math.min(this.width, this.height) / 2.1;
    Object.assign(this, { scale: this.least, left: this.width / 2, top: this.height / 2 });
    this.draw();
  }

  zoom(by, x = this.width / 2, y = this.height / 2) {
    const scale = Math.min(Math.max(this.scale * by, this.least / 2), this.least * 200);
    this.left = x - ((x - this.left) * scale) / this.scale;
    this.top = y - ((y - this.top) * scale) / this.scale;
    this.scale = scale;
    this.draw();
  }

  pan(x, y) {
    this.left += x;
    this.top += y;
    this.draw();
  }

  // The colour of each point: `buckets` (n) are places in `palette`.
  colour(buckets, palette) {
    const starts = new Uint32Array(palette.length + 1);
    for (const bucket of buckets) starts[bucket + 1] += 1;
    for (let i = 0; i < palette.length; i += 1) starts[i + 1] += starts[i];
    const next = starts.slice();
    const order = new Uint32Array(this.data.n);
    for (let row = 0; row < this.data.n; row += 1) order[next[buckets[row]]++] = row;
    Object.assign(this, { starts, order, palette });
    this.draw();
  }

  // Only some points in full colour (Uint8Array of 0 and 1), or all (null).
  show(which) {
    this.shown = which;
    this.draw();
  }

  draw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      this.paint();
    });
  }

  paint() {
    const { ink, ratio, width, height } = this;
    if (!width) return;
    const style = getComputedStyle(this.canvas);
    Object.assign(this, { text: style.color, ground: style.backgroundColor });
    ink.setTransform(ratio, 0, 0, ratio, 0, 0);
    ink.clearRect(0, 0, width, height);
    if (this.shown) this.points(0.12, 0);
    this.points(0.8, 1);
    ink.globalAlpha = 1;
    this.paintMarks();
    this.paintNames();
    this.paintPath();
    if (this.canvas.matches(":focus-visible")) this.paintAim();
  }

  points(alpha, wanted) {
    const { ink, data, starts, order, palette, shown, scale, left, top, width, height } = this;
    const usual = Math.min(Math.max(250 / Math.sqrt(data.n), 1.2), 6);
    const size = Math.min(usual * Math.sqrt(Math.max(scale / this.least, 1)), 9);
    ink.globalAlpha = alpha;
    for (let bucket = 0; bucket < palette.length; bucket += 1) {
      ink.fillStyle = palette[bucket];
      for (let at = starts[bucket]; at < starts[bucket + 1]; at += 1) {
        const row = order[at];
        if (shown && shown[row] !== wanted) continue;
        const x = left + data.x[row] * scale;
        const y = top - data.y[row] * scale;
        if (x > -size && y > -size && x < width + size && y < height + size) {
          ink.fillRect(x - size / 2, y - size / 2, size, size);
        }
      }
    }
  }

  paintMarks() {
    const { ink } = this;
    ink.lineWidth = 2.5;
    for (const { row, kind } of this.marks) {
      const [x, y] = this.at(row);
      for (const [colour, more] of [[this.ground, 2], [this.text, 0]]) {
        ink.strokeStyle = colour;
        ink.lineWidth = 2.5 + more;
        ink.beginPath();
        if (kind === "history") ink.arc(x, y, 6, 0, 7);
        else ink.rect(x - 6, y - 6, 12, 12);
        ink.stroke();
      }
    }
  }

  paintNames() {
    const { ink } = this;
    const taken = [];
    const family = getComputedStyle(document.body).fontFamily;
    ink.font = `600 13px ${family}`;
    ink.textAlign = "center";
    ink.textBaseline = "middle";
    ink.lineJoin = "round";
    for (const { x, y, text } of this.names) {
      const left = this.left + x * this.scale;
      const top = this.top - y * this.scale;
      const half = ink.measureText(text).width / 2 + 4;
      const box = [left - half, top - 10, left + half, top + 10];
      const hits = (it) => box[0] < it[2] && box[2] > it[0] && box[1] < it[3] && box[3] > it[1];
      if (box[0] < 0 || box[2] > this.width || box[1] < 0 || box[3] > this.height || taken.some(hits)) continue;
      taken.push(box);
      ink.strokeStyle = this.ground;
      ink.lineWidth = 4;
      ink.strokeText(text, left, top);
      ink.fillStyle = this.text;
      ink.fillText(text, left, top);
    }
  }

  paintPath() {
    if (!this.path) return;
    const { ink } = this;
    ink.strokeStyle = this.text;
    ink.lineWidth = 1.5;
    ink.setLineDash([5, 4]);
    ink.beginPath();
    for (const [x, y] of this.path) ink.lineTo(x, y);
    ink.closePath();
    ink.stroke();
    ink.setLineDash([]);
  }

  paintAim() {
    const { ink, width, height } = this;
    ink.strokeStyle = this.text;
    ink.lineWidth = 1;
    ink.beginPath();
    ink.arc(width / 2, height / 2, AROUND, 0, 7);
    ink.moveTo(width / 2 - 8, height / 2);
    ink.lineTo(width / 2 + 8, height / 2);
    ink.moveTo(width / 2, height / 2 - 8);
    ink.lineTo(width / 2, height / 2 + 8);
    ink.stroke();
  }

  at(row) {
    return [this.left + this.data.x[row] * this.scale, this.top - this.data.y[row] * this.scale];
  }

  index() {
    const { n, x, y } = this.data;
    const cell = new Uint16Array(n);
    const starts = new Uint32Array(CELLS * CELLS + 1);
    for (let row = 0; row < n; row += 1) {
      cell[row] = side(x[row]) + CELLS * side(y[row]);
      starts[cell[row] + 1] += 1;
    }
    for (let i = 0; i < CELLS * CELLS; i += 1) starts[i + 1] += starts[i];
    const next = starts.slice();
    const rows = new Uint32Array(n);
    for (let row = 0; row < n; row += 1) rows[next[cell[row]]++] = row;
    this.cells = { starts, rows };
  }

  // Points in a rectangle of the screen.
  *within(x0, y0, x1, y1) {
    const across = [x0, x1].map((x) => side((x - this.left) / this.scale));
    const down = [y1, y0].map((y) => side((this.top - y) / this.scale));
    for (let v = down[0]; v <= down[1]; v += 1) {
      const from = this.cells.starts[across[0] + CELLS * v];
      const to = this.cells.starts[across[1] + CELLS * v + 1];
      for (let at = from; at < to; at += 1) yield this.cells.rows[at];
    }
  }

  nearest(x, y) {
    let best = -1;
    let least = REACH * REACH;
    for (const row of this.within(x - REACH, y - REACH, x + REACH, y + REACH)) {
      const [left, top] = this.at(row);
      const apart = (left - x) ** 2 + (top - y) ** 2;
      if (apart < least) [best, least] = [row, apart];
    }
    return best;
  }

  inside(path) {
    const xs = path.map((it) => it[0]);
    const ys = path.map((it) => it[1]);
    const found = [];
    for (const row of this.within(Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys))) {
      if (holds(path, this.at(row))) found.push(row);
    }
    return found;
  }

  around() {
    const [x, y] = [this.width / 2, this.height / 2];
    const found = [];
    for (const row of this.within(x - AROUND, y - AROUND, x + AROUND, y + AROUND)) {
      const [left, top] = this.at(row);
      if ((left - x) ** 2 + (top - y) ** 2 <= AROUND * AROUND) found.push(row);
    }
    return found;
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const [x, y] = place(event);
      this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), x, y);
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.up(event));
    canvas.addEventListener("pointerleave", () => this.on.hover(-1, 0, 0));
    canvas.addEventListener("keydown", (event) => this.key(event));
    for (const name of ["focus", "blur"]) canvas.addEventListener(name, () => this.draw());
  }

  down(event) {
    if (event.button) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, place(event));
    const lasso = this.pointers.size === 1 && (this.mode === "lasso" || event.shiftKey);
    this.path = lasso ? [place(event)] : null;
  }

  move(event) {
    const now = place(event);
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      this.on.hover(this.nearest(...now), ...now);
      return;
    }
    this.pointers.set(event.pointerId, now);
    if (this.path) {
      this.path.push(now);
      this.draw();
    } else if (this.pointers.size === 2) {
      const other = [...this.pointers].find(([id]) => id !== event.pointerId)[1];
      const [old, young] = [before, now].map((it) => Math.hypot(it[0] - other[0], it[1] - other[1]));
      this.zoom(young / Math.max(old, 1), other[0], other[1]);
    } else {
      this.pan(now[0] - before[0], now[1] - before[1]);
    }
  }

  up(event) {
    this.pointers.delete(event.pointerId);
    const { path } = this;
    this.path = null;
    this.draw();
    if (path && event.type === "pointerup") this.on.select(path.length > 2 ? this.inside(path) : []);
  }

  key(event) {
    const steps = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (steps[event.key]) this.pan(...steps[event.key]);
    else if (event.key === "+" || event.key === "=") this.zoom(1.5);
    else if (event.key === "-") this.zoom(1 / 1.5);
    else if (event.key === "0") this.fit();
    else if (event.key === "Enter") this.on.select(this.around());
    else if (event.key === "Escape") this.on.select([]);
    else return;
    event.preventDefault();
  }
}

function place(event) {
  return [event.offsetX, event.offsetY];
}

function side(value) {
  return Math.min(Math.max(Math.floor(((value + 1) / 2) * CELLS), 0), CELLS - 1);
}

// Whether a path, closed, holds a point: how often a ray from it crosses the path.
function holds(path, [x, y]) {
  let inside = false;
  for (let i = 0, j = path.length - 1; i < path.length; j = i, i += 1) {
    const [x0, y0] = path[i];
    const [x1, y1] = path[j];
    if (y0 > y !== y1 > y && x < ((x1 - x0) * (y - y0)) / (y1 - y0) + x0) inside = !inside;
  }
  return inside;
}
