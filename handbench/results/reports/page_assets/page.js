"use strict";
// Everything shown here is text from records: it is set as text, never as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const LONG = 12; // rows of a table that make a filter worth its place
const PAGE = 100; // rows drawn at once; filtering and sorting see all
const byId = new Map(data.runs.map((run) => [run.id, run]));

function make(tag, options = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

// Numbers before words, and what is missing last, whichever way a column is sorted.
function compare(first, second, sign) {
  const empty = (value) => value === null || value === undefined || value === "";
  if (empty(first) || empty(second)) return empty(first) - empty(second);
  const both = typeof first === "number" && typeof second === "number";
  return sign * (both ? first - second : String(first).localeCompare(String(second), "en", { numeric: true }));
}

function turn(head) {
  const up = head.getAttribute("aria-sort") !== "ascending";
  for (const other of head.parentNode.children) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  return up ? 1 : -1;
}

// Tables that stand in the page.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const key = (row, place) => {
    const cell = row.cells[place];
    return "sort" in cell.dataset ? Number(cell.dataset.sort) : cell.classList.contains("number") ? "" : cell.textContent;
  };
  if (body.rows.length > LONG) {
    const find = make("input", { type: "search", autocomplete: "off" });
    const fits = (row) => find.value.toLowerCase().split(/\s+/).every((word) => row.textContent.toLowerCase().includes(word));
    find.addEventListener("input", () => [...body.rows].forEach((row) => (row.hidden = !fits(row))));
    table.parentNode.before(make("label", { class: "find" }, "Words in a row ", find));
  }
  [...table.tHead.rows[0].cells].forEach((head, place) =>
    head.firstElementChild.addEventListener("click", () => {
      const sign = turn(head);
      body.append(...[...body.rows].sort((a, b) => compare(key(a, place), key(b, place), sign)));
    }),
  );
}

// The table of runs is drawn from the data.
const table = document.getElementById("run-table");
const words = document.getElementById("words");
const more = document.getElementById("more");
const chosen = {};
let order = data.runs.map((_, place) => place);
let shown = PAGE;

const text = (run, place) => (place < data.fields.length ? run.f[place] : run.v[place - data.fields.length]);

function matches(run) {
  for (const [place, wanted] of Object.entries(chosen)) if (wanted !== "" && String(run.f[place]) !== wanted) return false;
  const here = `${run.id} ${run.f.join(" ")} ${run.n.map((note) => data.notes[note]).join(" ")}`.toLowerCase();
  return words.value.toLowerCase().split(/\s+/).every((word) => here.includes(word));
}

function cell(run, place) {
  const value = text(run, place);
  if (place < data.fields.length) return make("td", { text: value ?? "", class: typeof value === "number" ? "number" : "word" });
  const column = data.columns[place - data.fields.length];
  return make("td", { text: value === null ? "–" : value.toFixed(column.decimals), class: "number" });
}

function draw() {
  const kept = order.map((place) => data.runs[place]).filter(matches);
  const rows = kept.slice(0, shown).map((run) => {
    const open = make("button", { type: "button", class: "open", text: run.id, onclick: () => (location.hash = `run=${encodeURIComponent(run.id)}`) });
    return make("tr", {}, make("td", {}, open), ...[...data.fields, ...data.columns].map((_, place) => cell(run, place)));
  });
  table.tBodies[0].replaceChildren(...rows);
  document.getElementById("count").textContent = `${kept.length} of ${data.runs.length} runs`;
  more.hidden = kept.length <= shown;
  more.textContent = `Show all ${kept.length} rows`;
}

function heads() {
  const titles = ["run", ...data.fields, ...data.columns.map((column) => column.label)];
  const cells = titles.map((title, place) => {
    const head = make("th", { scope: "col", "aria-sort": "none", class: place > data.fields.length ? "number" : "word" });
    const key = (run) => (place === 0 ? run.id : text(run, place - 1));
    head.append(
      make("button", {
        type: "button",
        text: title,
        onclick: () => {
          const sign = turn(head);
          order.sort((a, b) => compare(key(data.runs[a]), key(data.runs[b]), sign) || a - b);
          draw();
        },
      }),
    );
    return head;
  });
  table.tHead.append(make("tr", {}, ...cells));
}

function menus() {
  data.fields.forEach((field, place) => {
    const values = [...new Set(data.runs.map((run) => String(run.f[place])))].sort((a, b) => compare(a, b, 1));
    if (values.length < 2 || values.length > 30) return;
    const select = make("select", { onchange: () => ((chosen[place] = select.value), draw()) });
    select.append(make("option", { value: "", text: "all" }), ...values.map((value) => make("option", { value, text: value })));
    document.getElementById("menus").append(make("label", {}, `${field} `, select));
  });
}

words.addEventListener("input", draw);
words.form.addEventListener("submit", (event) => event.preventDefault());
more.addEventListener("click", () => ((shown = Infinity), draw()));
heads();
menus();
draw();
addEventListener("beforeprint", () => ((shown = Infinity), draw()));

// One prediction with both hands over it.
const FINGERS = [[0, 1, 2, 3, 4], [0, 5, 6, 7, 8], [0, 9, 10, 11, 12], [0, 13, 14, 15, 16], [0, 17, 18, 19, 20]];
const drawn = (name, options) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(options)) node.setAttribute(key, value);
  return node;
};

function overlay(example) {
  const svg = drawn("svg", { viewBox: `0 0 ${example.side} ${example.side}`, "aria-hidden": "true" });
  const width = example.side / 64;
  for (const [hand, colour, dashes] of [[example.true, "#fff", `${2.4 * width} ${width}`], [example.predicted, "#ff7f2a", ""]]) {
    for (const chain of FINGERS) {
      const known = chain.filter((joint) => hand[joint] !== null);
      const points = known.map((joint) => hand[joint].join(",")).join(" ");
      const line = { points, fill: "none", "stroke-linejoin": "round" };
      svg.append(drawn("polyline", { ...line, stroke: "#000", "stroke-opacity": 0.5, "stroke-width": 1.7 * width }));
      svg.append(drawn("polyline", { ...line, stroke: colour, "stroke-width": width, "stroke-dasharray": dashes }));
    }
  }
  return svg;
}

function thumb(example) {
  const words = `${example.rank}: ${example.error.toFixed(1)} px`;
  const image = make("img", { src: example.image, alt: `${example.key}, ${words}`, width: 128, height: 128 });
  const picture = make("div", { class: "picture" }, image, overlay(example));
  return make("figure", { class: "thumb", title: example.key }, picture, make("figcaption", { text: words }));
}

const gallery = document.getElementById("gallery");
if (gallery) {
  for (const [id, examples] of Object.entries(data.examples)) {
    const link = make("a", { href: `#run=${encodeURIComponent(id)}`, text: id });
    gallery.append(make("h3", {}, link), make("div", { class: "thumbs" }, ...examples.map(thumb)));
  }
}

// A run's details.
const dialog = document.getElementById("run");
const list = (pairs) => make("dl", {}, ...pairs.flatMap(([name, value]) => [make("dt", { text: name }), make("dd", { text: value ?? "–" })]));
const grid = (titles, rows, numeric) =>
  make(
    "div",
    { class: "box", tabindex: "0", role: "region", "aria-label": titles.join(", ") },
    make(
      "table",
      {},
      make("thead", {}, make("tr", {}, ...titles.map((title, place) => make("th", { scope: "col", text: title, class: numeric.includes(place) ? "number" : "word" })))),
      make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((value, place) => make("td", { text: value ?? "", class: numeric.includes(place) ? "number" : "word" }))))),
    ),
  );

function scores(run) {
  const found = run.s.map(([which, value, count, excluded, spread]) => ({ ...data.scores[which], value, count, excluded, spread }));
  const known = new Map(found.map((score) => [score.metric, score]));
  const written = (value, score) => value?.toFixed(score.decimals) ?? "";
  const beside = (score, kind) => written(known.get(`${score.metric}/${kind}`)?.value, score);
  const rows = found
    .filter((score) => !score.metric.includes("/"))
    .map((score) => [score.label, written(score.value, score) || "not a number", written(score.spread, score), beside(score, "random"), beside(score, "constant"), score.unit, score.count, score.excluded, score.protocol, score.note]);
  return grid(["metric", "value", "± over images", "random encoder", "constant answer", "unit", "n", "excluded", "definition", "note"], rows, [1, 2, 3, 4, 6, 7]);
}

function flat(value, above = "") {
  if (value === null || typeof value !== "object") return [[above, value === null ? "–" : String(value)]];
  return Object.entries(value).flatMap(([key, item]) => flat(item, above ? `${above}.${key}` : key));
}

function details(run) {
  const notes = run.n.map((note) => make("li", { text: data.notes[note] }));
  const recipe = { ...data.recipe, ...run.r };
  const lines = Object.entries(recipe).filter(([, value]) => value !== null).map(([key, value]) => `${key} = ${value}`);
  const stages = run.t.map(([name, key, seconds, reused]) => [name, key, seconds, reused ? "found finished" : "made by this run"]);
  const part = (title, ...content) => [make("h3", { text: title }), ...content];
  return [
    list([["status", run.status], ...data.fields.map((field, place) => [field, run.f[place]]), ["ended", run.created]]),
    ...part("Scores", run.s.length ? scores(run) : make("p", { text: "none" })),
    ...(notes.length ? part("Notes", make("ul", {}, ...notes)) : []),
    ...part("Predictions", data.examples[run.id] ? make("div", { class: "thumbs" }, ...data.examples[run.id].map(thumb)) : make("p", { text: "No images of this run are in the page; its own folder may hold examples.npz." })),
    ...part("Cost", grid(["stage", "key", "seconds", ""], stages, [2]), list(flat(run.c))),
    ...part("Recipe", make("pre", { tabindex: "0", text: lines.join("\n") })),
    ...part("Data", list(flat(data.data[run.d]))),
    ...part("Provenance", list(flat(data.provenance[run.p]))),
  ];
}

function openAsked() {
  const asked = location.hash.match(/^#run=(.*)$/);
  if (!asked) return dialog.open && dialog.close();
  const run = byId.get(decodeURIComponent(asked[1]));
  if (!run) return;
  document.getElementById("run-title").textContent = run.id;
  document.getElementById("run-body").replaceChildren(...details(run));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

addEventListener("hashchange", openAsked);
document.getElementById("close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
dialog.addEventListener("close", () => {
  if (location.hash.startsWith("#run=")) history.replaceState(null, "", location.pathname + location.search);
});
openAsked();

// What a point of a figure says: on hover, on a tap, and with the arrow keys.
const tip = document.getElementById("tip");
function tell(mark) {
  document.querySelectorAll(".tip.on").forEach((other) => other.classList.remove("on"));
  tip.hidden = !mark;
  if (!mark) return;
  mark.classList.add("on");
  tip.textContent = mark.dataset.tip;
  const place = mark.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(place.left, innerWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${place.top - tip.offsetHeight - 6 < 0 ? place.bottom + 6 : place.top - tip.offsetHeight - 6}px`;
}

for (const svg of document.querySelectorAll(".drawing svg")) {
  const marks = [...svg.querySelectorAll(".tip")];
  for (const mark of marks) {
    const title = mark.querySelector(":scope > title");
    mark.dataset.tip = title.textContent;
    title.remove(); // else the browser shows it too
    mark.addEventListener("pointerenter", () => tell(mark));
    mark.addEventListener("pointerleave", () => tell(null));
  }
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", svg.closest("figure").querySelector("figcaption b").textContent);
  if (!marks.length) continue;
  svg.setAttribute("tabindex", "0");
  let place = -1;
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") tell(null);
    if (!step) return;
    event.preventDefault();
    place = (place + step + marks.length) % marks.length;
    tell(marks[place]);
  });
  svg.addEventListener("blur", () => tell(null));
}
document.documentElement.dataset.ready = "true";
