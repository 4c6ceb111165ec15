// One tile for each metric: both versions over time, and below it how much they differ.

import { Chart } from "./chart.js";
import { $, attribute, draw, keyed, make, text } from "./dom.js";
import { milliseconds, moment, percent } from "./format.js";
import { happening, signed, weight } from "./release-words.js";
import { tone } from "./tones.js";

const POINTS = 100;
const NARROWEST = 1.5; // seconds: figures come once in one, more or less
const LEAST = 60, MOST = 600;
const METRICS = [
  { name: "errors", title: "Errors", words: value => percent(value === null ? null : value / 100), least: 1, most: 100, digits: 2, unit: " points" },
  ...["p50", "p90", "p99"].map(name => ({ name, title: name, words: milliseconds, least: 1, digits: 1, unit: " %" })),
];

export function metrics(release, points, happened) {
  const elapsed = points.length ? release.now - points[0].at : 0;
  const seconds = Math.min(MOST, Math.max(LEAST, Math.ceil(elapsed / 60) * 60));
  const parts = Math.min(POINTS, Math.floor(seconds / NARROWEST));
  const end = Math.ceil(release.now / (seconds / parts)) * (seconds / parts);
  const bins = binned(points, end, seconds, parts);
  const marks = happened.filter(one => one.at > end - seconds)
    .map(one => ({ t: one.at, kind: one.event, words: `${happening(one.event)}: ${one.reason}` }));
  const view = { release, end, seconds, marks, bins };
  keyed($("metrics"), METRICS, metric => metric.name, metric => new Tile(metric).element, (element, metric) =>
    element.tile.show(view, release.evidence.metrics.find(one => one.name === metric.name)));
}

/** The points of each of so many equal `parts`, and one that ends at `end`. */
function binned(points, end, seconds, parts) {
  const step = seconds / parts;
  const bins = Array.from({ length: parts + 1 }, () => []);
  for (const point of points) {
    const at = Math.round((point.at - end + seconds) / step);
    if (at >= 0 && at <= parts) bins[at].push(point);
  }
  return bins;
}

function mean(values) {
  const known = values.filter(value => value !== null && value !== undefined);
  return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
}

class Tile {
  constructor(metric) {
    this.metric = metric;
    this.now = make("p", { class: "now" });
    this.chart = new Chart({ ...metric, band: true, caption: "over time, the weight behind it" });
    this.readout = make("p", { class: "readout", "aria-hidden": "true" });
    this.difference = new Difference(metric);
    this.element = make("article", { class: "card metric", "data-metric": metric.name },
      make("h3", {}, metric.title), this.now, this.chart.element, this.readout, this.difference.element);
    this.element.tile = this;
    this.chart.svg.addEventListener("pointermove", event => {
      const box = this.chart.svg.getBoundingClientRect();
      this.point(Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1));
    });
    this.chart.svg.addEventListener("pointerleave", () => this.point(null));
  }

  show(view, told) {
    this.view = view;
    const { release, bins } = view;
    this.series = [release.baseline, release.canary].map((name, version) => ({
      name, tone: tone(name), values: bins.map(bin => mean(bin.map(point => point[this.metric.name][version]))),
    }));
    this.weights = bins.map(bin => mean(bin.map(point => point.weight)));
    this.chart.show(this.series, { ...view, band: this.weights.map(value => Math.sqrt((value ?? 0) / 100)) }); // as the steps are drawn
    this.point(this.pointed ?? null);
    const figures = [[release.baseline, told?.baseline], [release.canary, told?.canary]];
    this.now.replaceChildren(...figures.map(([name, value]) => make("span", { class: tone(name) },
      make("span", { class: "swatch", "aria-hidden": "true" }), make("span", { class: "who" }, name), make("strong", {}, this.metric.words(value ?? null)))));
    this.difference.show(told, release);
  }

  /** Say what the figures were where the pointer is. */
  point(share) {
    this.pointed = share;
    this.chart.point(share);
    this.element.classList.toggle("pointed", share !== null);
    if (share === null) {
      text(this.readout, "");
      return;
    }
    const { end, seconds, marks, bins } = this.view;
    const parts = bins.length - 1, at = Math.round(share * parts), when = end - seconds * (1 - share);
    const figures = this.series.map(one => `${one.name} ${this.metric.words(one.values[at])}`);
    const near = marks.filter(mark => Math.abs(mark.t - when) < seconds / parts * 1.5).map(mark => mark.words);
    const given = this.weights[at] === null ? [] : [weight(this.weights[at])];
    text(this.readout, [moment(when), ...given, ...figures, ...near].join(" · "));
  }
}

const WIDTH = 200, HEIGHT = 26, MIDDLE = 13;
const FARTHEST = 40; // margins: what is farther away would hide where that is

/** The difference with its interval, on a line with nothing in the middle, and what it may be. */
class Difference {
  constructor(metric) {
    this.metric = metric;
    this.zero = draw("line", { class: "zero", x1: WIDTH / 2, x2: WIDTH / 2, y1: 2, y2: HEIGHT - 2 });
    this.margin = draw("line", { class: "margin", y1: 0, y2: HEIGHT });
    this.beyond = draw("rect", { class: "beyond", y: 0, height: HEIGHT });
    this.interval = draw("line", { class: "interval", y1: MIDDLE, y2: MIDDLE });
    this.dot = draw("line", { class: "estimate", y1: MIDDLE - 6, y2: MIDDLE + 6 });
    this.svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" },
      this.beyond, draw("line", { class: "grid base", x1: 0, x2: WIDTH, y1: MIDDLE, y2: MIDDLE }), this.zero, this.margin, this.interval, this.dot);
    this.value = make("p", { class: "value" }, make("strong"), make("span"));
    this.about = make("p", { class: "about" });
    this.element = make("div", { class: "difference" }, this.value, this.svg,
      make("p", { class: "ends", "aria-hidden": "true" }, make("span", {}, "better"), make("span", {}, "worse")), this.about);
  }

  show(told, { evidence }) {
    const known = told && told.difference !== null && told.difference !== undefined;
    const { digits, unit } = this.metric;
    const words = value => `${signed(value, digits)}${unit}`;
    const judged = !told || told.margin !== null;
    const interval = known && told.low !== null && told.high !== null;
    const state = !interval || !judged ? "" : told.low > told.margin ? "bad" : told.high <= told.margin ? "good" : "";
    attribute(this.element, "data-state", state);
    text(this.value.firstChild, known ? words(told.difference) : "–");
    text(this.value.lastChild, { bad: "worse than it may be", good: "not worse" }[state] ?? (known ? "not certain yet" : "not known yet"));
    text(this.about, [
      interval ? `between ${words(told.low)} and ${words(told.high)}, 95 % sure` : evidence.warming ? "warming up" : known ? "it may be anything yet" : "no figures yet",
      told && told.margin !== null ? `up to ${words(told.margin)} may be` : "not judged",
    ].join("; "));
    const margin = told?.margin ?? null;
    const widest = interval ? Math.max(Math.abs(told.low), Math.abs(told.high)) : 0;
    const reach = Math.max((margin ?? 0) * 1.6, Math.min(widest * 1.1, (margin ?? widest) * FARTHEST), 1e-9);
    const x = value => (WIDTH / 2 * (1 + Math.min(Math.max(value / reach, -1), 1))).toFixed(1);
    for (const part of [this.interval, this.dot]) attribute(part, "visibility", interval ? null : "hidden");
    for (const part of [this.margin, this.beyond]) attribute(part, "visibility", margin === null ? "hidden" : null);
    if (margin !== null) {
      place(this.margin, x(margin), x(margin));
      attribute(this.beyond, "x", x(margin));
      attribute(this.beyond, "width", (WIDTH - x(margin)).toFixed(1));
    }
    if (interval) {
      place(this.interval, x(told.low), x(told.high));
      place(this.dot, x(told.difference), x(told.difference));
    }
    attribute(this.svg, "aria-label", `${this.metric.title}: the new version differs by ${known ? words(told.difference) : "what is not known yet"}, ${this.about.textContent}`);
  }
}

function place(element, from, to) {
  attribute(element, "x1", from);
  attribute(element, "x2", to);
}
