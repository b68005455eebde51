// Draws each <line-chart> from its own table: lines over time, by uPlot. It is an element of its own, so that one which
// comes later is drawn, too. Where nothing can be drawn the table stays open: it holds all there is to know.
const [MINUTE, DAY] = [60, 86400];
const WHOLE = [1, 2, 5].flatMap((one) => Array.from({ length: 12 }, (_, power) => one * 10 ** power)).sort((a, b) => a - b);
const DASHES = { solid: [], dashed: [7, 4], dotted: [2, 3] };
const LEAP = 10; // points that PageUp and PageDown go
const LEAST = 4; // points that are still seen when zoomed in

class LineChart extends HTMLElement {
  connectedCallback() {
    if (!window.uPlot) return;
    this.given = read(this.querySelector("table"));
    this.plot = this.querySelector(".plot");
    this.reading = this.querySelector(".reading");
    this.whole = this.querySelector(".whole");
    this.hint = this.reading.textContent;
    this.querySelector(".drawn").hidden = false;
    this.drawing = new uPlot(this.options(), this.given.columns, this.plot);
    this.querySelector("details").open = false;
    this.plot.setAttribute("aria-valuemax", this.given.rows.length - 1);
    this.tell(this.given.rows.length - 1);
    this.listen();
  }

  disconnectedCallback() {
    this.leaving?.abort();
    this.drawing?.destroy();
    this.plot?.replaceChildren();
  }

  options() {
    const [moments] = this.given.columns;
    // A moment alone has a day around it; the cursor stands on the moment that is nearest.
    const around = (_, low, high) => (moments.length > 1 ? [low, high] : [moments[0] - DAY / 2, moments[0] + DAY / 2]);
    const onto = (drawing, left, top) => [left < 0 ? left : drawing.valToPos(moments[drawing.posToIdx(left)], "x"), top];
    return {
      ...this.size(),
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), this.dataset.zone),
      legend: { show: false },
      cursor: { y: false, move: onto },
      scales: { x: { range: around }, y: { range: (_, low, high) => [0, high > 0 ? high * 1.05 : 1] } },
      ...this.axes(),
      series: [{}, ...this.lines()],
      hooks: { setCursor: [({ cursor }) => this.follow(cursor.idx)], setScale: [({ scales }) => this.zoomed(scales.x)] },
    };
  }

  // Colours are asked for whenever something is drawn: they change with the scheme.
  axes() {
    const { lang } = document.documentElement;
    const { unit, zone } = this.dataset;
    const numbers = new Intl.NumberFormat(lang, { maximumFractionDigits: 6 });
    const style = getComputedStyle(this.plot);
    const size = parseFloat(style.fontSize);
    const font = `${size}px ${style.fontFamily}`;
    const axis = { font, stroke: () => style.color, grid: { stroke: () => style.borderTopColor, width: 1 }, ticks: { show: false } };
    const time = { size: 4 * size, gap: 10, space: 6 * size, values: (_, marks, __, ___, step) => times(marks, step, lang, zone) };
    const value = { size: widest, label: unit, labelFont: font, labelSize: 1.8 * size, values: (_, marks) => marks.map((it) => numbers.format(it)) };
    if (this.given.whole) value.incrs = WHOLE;
    return { axes: [{ ...axis, ...time }, { ...axis, ...value }], padding: [null, 2.2 * size, null, null] };
  }

  lines() {
    return [...this.querySelectorAll(".key li")].map((line) => {
      const mark = getComputedStyle(line, "::before");
      const colour = () => mark.borderTopColor;
      return { stroke: colour, width: 2, dash: DASHES[mark.borderTopStyle], points: { size: 6, fill: colour } };
    });
  }

  size() {
    return { width: this.plot.clientWidth, height: this.plot.clientHeight };
  }

  listen() {
    const { drawing, plot } = this;
    this.leaving = new AbortController();
    const { signal } = this.leaving;
    new ResizeObserver(() => plot.clientWidth && drawing.setSize(this.size())).observe(plot);
    for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) {
      matchMedia(query).addEventListener("change", () => drawing.redraw(), { signal });
    }
    plot.addEventListener("keydown", (event) => this.key(event), { signal });
    plot.addEventListener("focus", () => plot.matches(":focus-visible") && this.go(this.at), { signal });
    plot.addEventListener("blur", () => drawing.setCursor({ left: -10, top: -10 }), { signal });
    // The library follows a mouse; a finger that moves sideways is followed here.
    drawing.over.addEventListener("pointermove", (event) => {
      if (event.pointerType === "touch") drawing.setCursor({ left: event.offsetX, top: event.offsetY });
    }, { signal });
    this.whole.addEventListener("click", () => {
      this.show(...this.ends());
      plot.focus();
    }, { signal });
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const last = this.given.rows.length - 1;
    const { at } = this;
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: LEAP, PageDown: -LEAP, Home: -last, End: last };
    if (event.key in steps) this.go(at + steps[event.key]);
    else if (event.key === "+" || event.key === "=") this.zoom(at, 1 / 2);
    else if (event.key === "-") this.zoom(at, 2);
    else if (event.key === "0" || event.key === "Escape") this.show(...this.ends());
    else return;
    event.preventDefault();
  }

  // The cursor on a row; what is seen moves along when that lies beside it.
  go(row) {
    const { drawing } = this;
    const [moments] = this.given.columns;
    const at = moments[Math.min(Math.max(row, 0), moments.length - 1)];
    const { min, max } = drawing.scales.x;
    if (at < min) this.show(at, at + max - min);
    if (at > max) this.show(at - max + min, at);
    drawing.setCursor({ left: drawing.valToPos(at, "x"), top: 0 });
  }

  zoom(row, by) {
    const [moments] = this.given.columns;
    const [first, last] = this.ends();
    const { min, max } = this.drawing.scales.x;
    const least = Math.min((LEAST * (last - first)) / moments.length, max - min);
    const span = Math.min(Math.max((max - min) * by, least), last - first);
    const low = Math.min(Math.max(moments[row] - span / 2, first), last - span);
    this.show(low, low + span);
    this.go(row);
  }

  show(min, max) {
    if (min < max) this.drawing.batch(() => this.drawing.setScale("x", { min, max }));
  }

  zoomed({ min, max }) {
    const [first, last] = this.ends();
    this.whole.hidden = min <= first && max >= last;
  }

  ends() {
    const [moments] = this.given.columns;
    return [moments[0], moments.at(-1)];
  }

  // What the row under the cursor holds; how the chart is used, while it is on none.
  follow(row) {
    this.reading.textContent = row === null ? this.hint : this.text(row);
    if (row !== null) this.tell(row);
  }

  // The plot is a slider over the rows, so that a screen reader passes keys on and says each row that is come to.
  tell(row) {
    this.at = row;
    this.plot.setAttribute("aria-valuenow", row);
    this.plot.setAttribute("aria-valuetext", this.text(row));
  }

  text(row) {
    const { names, rows } = this.given;
    const { when, values, texts } = rows[row];
    const told = texts.map((text, line) => `${names[line]} ${text}${values[line] === null ? "" : ` ${this.dataset.unit}`}`);
    return [when, ...told].join(" · ");
  }
}

// A table's columns that are drawn, from the earliest row on.
function read(table) {
  const heads = [...table.tHead.rows[0].cells];
  const drawn = heads.flatMap((head, place) => ("line" in head.dataset ? [place] : []));
  const rows = [...table.tBodies[0].rows].map((row) => {
    const time = row.querySelector("time");
    const cells = drawn.map((place) => row.cells[place]);
    const values = cells.map((cell) => cell.querySelector("data")).map((it) => (it ? Number(it.value) : null));
    return { at: Date.parse(time.dateTime) / 1000, when: time.textContent, values, texts: cells.map((cell) => cell.textContent) };
  }).sort((one, other) => one.at - other.at);
  const columns = [rows.map((row) => row.at), ...drawn.map((_, line) => rows.map((row) => row.values[line]))];
  const whole = columns.slice(1).flat().every((value) => value === null || Number.isInteger(value));
  return { names: drawn.map((place) => heads[place].textContent), rows, columns, whole };
}

// Marks of the axis of time, in the language of the page: above what changes at each, below what it is a part of.
function times(marks, step, lang, timeZone) {
  const hour = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const day = { month: "short", day: "numeric" };
  const format = (given) => new Intl.DateTimeFormat(lang, { ...given, timeZone });
  let given = [{ year: "numeric" }];
  if (step < MINUTE) given = [{ ...hour, second: "2-digit" }, day];
  else if (step < DAY) given = [hour, day];
  else if (step < 28 * DAY) given = [day, { year: "numeric" }];
  else if (step < 365 * DAY) given = [{ month: "short" }, { year: "numeric" }];
  const [above, below] = given.map(format);
  let before = "";
  return marks.map((mark) => {
    const parent = below?.format(mark * 1000) ?? "";
    const text = above.format(mark * 1000) + (parent === before ? "" : `\n${parent}`);
    before = parent;
    return text;
  });
}

function widest(drawing, values, axis) {
  if (!values) return 40;
  [drawing.ctx.font] = drawing.axes[axis].font;
  return Math.max(...values.map((text) => drawing.ctx.measureText(text).width)) / uPlot.pxRatio + 12;
}

customElements.define("line-chart", LineChart);
