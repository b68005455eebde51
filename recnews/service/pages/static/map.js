// The analyst's map: gets the points, colours them, and lists what is selected. The same script works on the page and
// in a file that holds all data itself.
const LISTED = 50;
const SHADES = 24;
const MANY = 20;
const VIRIDIS = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"];

const figure = document.getElementById("map");
const told = JSON.parse(figure.dataset.told);
const said = document.getElementById("map-said");
const picked = document.getElementById("map-picked");
const known = new Map();

start().catch(() => {
  said.textContent = told.texts.failed;
});

async function start() {
  const { Plot } = await import(told.plot);
  const data = unpack(await bytes());
  const rowOf = new Map(Array.from(data.ids, (id, row) => [id, row]));
  const tools = toolbar();
  const canvas = element("canvas", { tabIndex: 0 });
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", told.texts.label.replace("{count}", data.n.toLocaleString(told.lang)));
  canvas.setAttribute("aria-describedby", "map-keys");
  const tip = element("div", { className: "tip", hidden: true });
  const legend = element("div", { className: "legend", id: "map-legend" });
  const stage = element("div", { className: "stage" }, canvas, tip);
  figure.replaceChildren(tools.bar, stage, legend);

  let asked = -1;
  const plot = new Plot(canvas, data, {
    hover: async (row, left, top) => {
      asked = row;
      tip.hidden = true;
      if (row < 0) return;
      await wait(60);
      if (asked !== row) return;
      const [it] = await cards([data.ids[row]]);
      if (asked !== row || !it) return;
      tip.textContent = it.title || it.key;
      tip.hidden = false;
      tip.style.left = `${Math.max(Math.min(left + 12, canvas.clientWidth - tip.offsetWidth - 4), 4)}px`;
      tip.style.top = `${top + 16 + tip.offsetHeight > canvas.clientHeight ? top - tip.offsetHeight - 8 : top + 16}px`;
    },
    select: (rows) => select(rows),
  });
  plot.names = told.topics.map(({ x, y, words }) => ({ x, y, text: words.slice(0, 2).join(" ") }));
  plot.marks = told.marks.flatMap(({ id, kind }) => (rowOf.has(id) ? [{ row: rowOf.get(id), kind }] : []));

  async function select(rows) {
    const chosen = rows.length ? new Uint8Array(data.n) : null;
    for (const row of rows) chosen[row] = 1;
    plot.show(chosen);
    const first = [...rows].sort((one, other) => data.days[one] - data.days[other]).slice(0, LISTED);
    const list = await cards(first.map((row) => data.ids[row]));
    said.textContent = told.texts.selected.replace("{count}", rows.length.toLocaleString(told.lang));
    picked.replaceChildren(...(rows.length ? [summary(rows), articles(list)] : []));
  }

  // Which topics a selection falls into.
  function summary(rows) {
    const counts = new Map();
    for (const row of rows) counts.set(data.topics[row], (counts.get(data.topics[row]) || 0) + 1);
    const most = [...counts].sort((one, other) => other[1] - one[1]).slice(0, 5);
    const name = (topic) => told.topics.find((it) => it.number === topic)?.words.slice(0, 3).join(" ") || `${topic}`;
    return element("p", { className: "quiet", textContent: most.map(([it, count]) => `${name(it)}: ${count}`).join(" · ") });
  }

  function paint() {
    const [buckets, palette, entries] = colours(tools.by.value, data);
    plot.colour(buckets, palette);
    legend.replaceChildren(...entries);
    for (const it of document.querySelectorAll("[data-topic]")) {
      const swatch = it.querySelector(".swatch");
      if (swatch) swatch.style.background = tools.by.value === "topic" ? palette[Number(it.dataset.topic)] : "none";
    }
  }

  tools.by.addEventListener("change", paint);
  tools.in.addEventListener("click", () => plot.zoom(1.5));
  tools.out.addEventListener("click", () => plot.zoom(1 / 1.5));
  tools.whole.addEventListener("click", () => plot.fit());
  tools.clear.addEventListener("click", () => select([]));
  tools.lasso.addEventListener("click", () => {
    plot.mode = plot.mode === "lasso" ? "pan" : "lasso";
    tools.lasso.setAttribute("aria-pressed", plot.mode === "lasso");
    canvas.classList.toggle("lasso", plot.mode === "lasso");
  });
  for (const name of ["pointerenter", "focusin"]) {
    for (const it of document.querySelectorAll("tr[data-topic]")) {
      it.addEventListener(name, () => plot.show(data.topics.map((topic) => Number(topic === Number(it.dataset.topic)))));
    }
  }
  for (const name of ["pointerleave", "focusout"]) {
    for (const it of document.querySelectorAll("tr[data-topic]")) it.addEventListener(name, () => plot.show(null));
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  paint();
  figure.dataset.ready = data.n;
  trends();
}

// What rises takes a moment to count: it is put into its place when it has come.
async function trends() {
  const place = document.getElementById("map-trends");
  if (!place?.dataset.from) return;
  const answer = await fetch(place.dataset.from);
  if (answer.ok) place.innerHTML = await answer.text();
}

async function bytes() {
  const own = document.getElementById("map-points");
  if (own) return Uint8Array.from(atob(own.textContent), (char) => char.charCodeAt(0)).buffer;
  const answer = await fetch(told.points);
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.arrayBuffer();
}

// The points as `recnews.mapping.packed` writes them.
function unpack(buffer) {
  const [n] = new Uint32Array(buffer, 0, 1);
  const ids = new Uint32Array(buffer, 4, n);
  const column = (place) => new Uint16Array(buffer, 4 + 4 * n + 2 * n * place, n);
  const spread = (values) => Float32Array.from(values, (value) => (value / 65535) * 2 - 1);
  const [x, y] = [spread(column(0)), spread(column(1))];
  return { n, ids, x, y, topics: column(2), categories: column(3), days: column(4), reads: column(5) };
}

// What is listed of articles: key, title, category, day.
async function cards(ids) {
  const own = document.getElementById("map-cards");
  if (own && !known.size) for (const it of JSON.parse(own.textContent)) known.set(it.id, it);
  const missing = ids.filter((id) => !known.has(id));
  if (missing.length && !own) {
    const answer = await fetch(`${told.cards}?ids=${missing.join(",")}`);
    if (answer.ok) for (const it of await answer.json()) known.set(it.id, it);
  }
  return ids.map((id) => known.get(id)).filter(Boolean);
}

function articles(list) {
  return element("ol", { className: "articles" }, ...list.map((it) => {
    const title = it.title || it.key;
    const link = told.article ? element("a", { href: told.article + encodeURIComponent(it.key), textContent: title }) : title;
    return element("li", {}, link, element("span", { className: "quiet", textContent: [it.category, it.day].filter(Boolean).join(" · ") }));
  }));
}

function colours(by, data) {
  const dark = isDark();
  if (by === "topic") {
    return [Uint8Array.from(data.topics, (it) => it % 250), hues(Math.max(...data.topics, 0) % 250 + 1, dark), []];
  }
  if (by === "category") {
    const counts = new Map();
    for (const it of data.categories) counts.set(it, (counts.get(it) || 0) + 1);
    const named = [...counts].filter(([it]) => told.categories[it]).sort((one, other) => other[1] - one[1]).slice(0, MANY);
    const place = new Map(named.map(([it], at) => [it, at]));
    const palette = [...hues(named.length, dark), dark ? "#8a939c" : "#8a939c"];
    const entries = named.map(([it, count], at) => entry(palette[at], `${told.categories[it]} ${count.toLocaleString(told.lang)}`));
    entries.push(entry(palette[named.length], told.texts.others));
    return [Uint8Array.from(data.categories, (it) => place.get(it) ?? named.length), palette, entries];
  }
  const values = by === "day" ? data.days : data.reads;
  const most = Math.max(values.reduce((one, other) => Math.max(one, other), 0), 1);
  const share = (value) => Math.log1p(value) / Math.log1p(most);
  const shade = by === "day" ? (value) => 1 - share(value) : share;
  const palette = Array.from({ length: SHADES }, (_, at) => viridis(at / (SHADES - 1), dark));
  const ends = by === "day" ? [told.texts.days.replace("{count}", most), told.texts.now] : ["0", told.texts.reads.replace("{count}", most)];
  const ramp = element("span", { className: "ramp" });
  ramp.style.background = `linear-gradient(to right, ${palette.join(",")})`;
  return [Uint8Array.from(values, (it) => Math.round(shade(it) * (SHADES - 1))), palette, [ends[0], ramp, ends[1]]];
}

function entry(colour, text) {
  const swatch = element("span", { className: "swatch" });
  swatch.style.background = colour;
  return element("span", { className: "entry" }, swatch, text);
}

// Neighbours in the list get hues far apart (the golden angle), and one of three lightnesses.
function hues(count, dark) {
  const light = dark ? [72, 60, 82] : [40, 52, 30];
  return Array.from({ length: Math.max(count, 1) }, (_, at) => `hsl(${(at * 137.508) % 360} 62% ${light[at % 3]}%)`);
}

function viridis(share, dark) {
  const place = (dark ? 0.25 + 0.75 * share : 0.9 * share) * (VIRIDIS.length - 1);
  const at = Math.min(Math.floor(place), VIRIDIS.length - 2);
  const part = (colour, from) => parseInt(colour.slice(from, from + 2), 16);
  const mixed = [1, 3, 5].map((from) => {
    const [one, other] = [part(VIRIDIS[at], from), part(VIRIDIS[at + 1], from)];
    return Math.round(one + (other - one) * (place - at));
  });
  return `rgb(${mixed.join(" ")})`;
}

function isDark() {
  const [red, green, blue] = getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number);
  return red + green + blue < 384;
}

function toolbar() {
  const by = element("select", { id: "map-by" }, ...told.by.map((it) => element("option", { value: it, textContent: told.texts[`by_${it}`] })));
  const label = element("label", { htmlFor: "map-by", textContent: told.texts.colour });
  const button = (name, aria) => {
    const made = element("button", { type: "button", textContent: told.texts[name] });
    if (aria) made.setAttribute("aria-label", told.texts[aria]);
    return made;
  };
  const found = { by, lasso: button("lasso"), in: button("in", "zoom_in"), out: button("out", "zoom_out"), whole: button("whole"), clear: button("clear") };
  found.lasso.setAttribute("aria-pressed", "false");
  const buttons = [found.lasso, found.in, found.out, found.whole, found.clear];
  found.bar = element("div", { className: "row tools" }, element("div", {}, label, by), ...buttons);
  return found;
}

function element(name, given, ...children) {
  const made = Object.assign(document.createElement(name), given);
  made.append(...children);
  return made;
}

function wait(milliseconds) {
  return new Promise((done) => {
    setTimeout(done, milliseconds);
  });
}
