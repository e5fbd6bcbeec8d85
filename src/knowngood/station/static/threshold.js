"use strict";
// The threshold on the histogram of scores: what it promises, and what it would have done to recent parts.

const chooser = document.getElementById("threshold");
const BARS = 48;
const HEIGHT = 220, FOOT = 24;
const WIDTH = chooser ? Math.max(260, document.getElementById("histogram").clientWidth) : 0;

if (chooser) fetch(chooser.dataset.scores).then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(answer.status)))).then(start, () => {
  document.getElementById("histogram").textContent = "The scores cannot be shown now. Load the page anew.";
});

function start(scores) {
  const slider = document.getElementById("slider");
  const all = [...scores.recent, ...scores.held_out, scores.threshold];
  const least = Math.min(...all), most = Math.max(...all);
  const margin = (most - least || Math.abs(most) || 1) * 0.05;
  const range = { low: least - margin, high: most + margin };
  slider.min = range.low;
  slider.max = range.high;
  slider.step = (range.high - range.low) / 400;
  const line = draw(scores, range);
  const set = (value) => {
    slider.dataset.exact = value;
    slider.setAttribute("aria-valuetext", format(value));
    document.getElementById("at").textContent = format(value);
    const x = (WIDTH * (value - range.low)) / (range.high - range.low);
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
    compare(scores, value);
  };
  const back = () => { slider.value = scores.threshold; set(scores.threshold); };
  slider.addEventListener("input", () => set(Number(slider.value)));
  chooser.addEventListener("reset", () => setTimeout(back));
  back();
}

function compare(scores, value) {
  const rows = [
    ["Promised: false rejects of good parts, at most (95 %)", (at) => promised(scores, at)],
    ["Held-out good parts rejected", (at) => part(scores.held_out, at)],
    [`Rejected of the last ${scores.recent.length} parts`, (at) => part(scores.recent, at)],
    ["False rejects, of recent parts labelled good", (at) => part(scores.good, at)],
    ["Escapes, of recent parts labelled defect", (at) => escapes(scores.defects, at)],
  ];
  document.querySelector("#would tbody").replaceChildren(...rows.map(([name, count]) => {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = name;
    row.append(head, ...[scores.threshold, value].map((at) => Object.assign(document.createElement("td"), { textContent: count(at) })));
    return row;
  }));
}

const above = (values, at) => values.filter((one) => one > at).length;
const percent = (share) => (share === 0 ? "0\u00a0%" : `${Number((100 * share).toPrecision(2))}\u00a0%`);
const format = (value) => Number(value.toPrecision(4)).toString();
const promised = (scores, at) => percent(scores.bounds[above(scores.held_out, at)]);

function part(values, at) {
  const count = above(values, at);
  return values.length ? `${count} of ${values.length} (${percent(count / values.length)})` : "none yet";
}

function escapes(values, at) {
  const count = values.length - above(values, at);
  return values.length ? `${count} of ${values.length} (${percent(count / values.length)})` : "none yet";
}

function draw(scores, range) {
  const bar = (value) => Math.min(BARS - 1, Math.floor((BARS * (value - range.low)) / (range.high - range.low)));
  const counted = (values) => values.reduce((counts, one) => { counts[bar(one)] += 1; return counts; }, Array(BARS).fill(0));
  const layers = [["recent", "recent parts", counted(scores.recent)], ["good", "labelled good", counted(scores.good)], ["defect", "labelled defect", counted(scores.defects)]];
  const most = Math.max(1, ...layers.flatMap(([, , counts]) => counts));
  const svg = make("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `Histogram of the scores of ${scores.recent.length} recent parts, ${scores.good.length} labelled good and ${scores.defects.length} labelled defect` });
  const tall = HEIGHT - FOOT, step = WIDTH / BARS;
  layers.forEach(([name, , counts], layer) => counts.forEach((count, at) => {
    if (!count) return;
    const height = Math.max(3, (tall * Math.sqrt(count)) / Math.sqrt(most)); // square roots: few defects stay visible
    const inset = layer === 0 ? 1 : 1 + step * 0.3 * (layer - 1) + step * 0.1;
    svg.append(make("rect", { class: name, x: at * step + inset, y: tall - height, width: layer === 0 ? step - 2 : step * 0.3, height }));
  }));
  for (const share of WIDTH < 500 ? [0, 0.5, 1] : [0, 0.25, 0.5, 0.75, 1]) {
    const anchor = share === 0 ? "start" : share === 1 ? "end" : "middle";
    const text = make("text", { x: WIDTH * share, y: HEIGHT - 5, "text-anchor": anchor });
    text.textContent = format(range.low + share * (range.high - range.low));
    svg.append(text);
  }
  const line = make("line", { class: "at", y1: 0, y2: tall });
  svg.append(line);
  const legend = document.createElement("p");
  legend.className = "legend";
  for (const [name, words] of [...layers, ["at", "threshold: parts to the right are rejected"]]) {
    const entry = document.createElement("span");
    entry.append(Object.assign(document.createElement("i"), { className: name }), ` ${words}`);
    legend.append(entry);
  }
  document.getElementById("histogram").replaceChildren(svg, legend);
  return line;
}

function make(name, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
