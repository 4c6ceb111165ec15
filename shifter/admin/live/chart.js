// Small line charts that share a time axis.

import { attribute, draw, keyed, make, text } from "./dom.js";
import { duration, moment } from "./format.js";

const WIDTH = 600, HEIGHT = 100;
const STEPS = [1, 1.5, 2, 3, 4, 5, 6, 8, 10];

/** The next round number that is not below `value`. */
export function nice(value, least) {
  const wanted = Math.max(value, least);
  const power = 10 ** Math.floor(Math.log10(wanted));
  return STEPS.find(step => step * power >= wanted * (1 - 1e-9)) * power;
}

export class Chart {
  /** `words` writes a value of the axis; `least` is what the axis shows at least; `most` what it never exceeds. With a `band` there is
   *  something behind the lines; `caption` is what stands above them, if not the title. */
  constructor({ title, words, least, most = Infinity, band = false, caption = title }) {
    Object.assign(this, { title, words, least, most });
    this.top = make("span", { class: "top", "aria-hidden": "true" });
    this.from = make("span", { class: "from" });
    this.band = band ? draw("path", { class: "band" }) : null;
    this.marks = draw("g", { class: "marks" });
    this.lines = draw("g", { class: "lines" });
    this.cursor = draw("line", { class: "cursor", y1: 0, y2: HEIGHT, x1: -9, x2: -9 });
    this.svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" }, ...(band ? [this.band] : []),
      draw("line", { class: "grid", x1: 0, x2: WIDTH, y1: HEIGHT / 2, y2: HEIGHT / 2 }),
      draw("line", { class: "grid base", x1: 0, x2: WIDTH, y1: HEIGHT, y2: HEIGHT }),
      this.marks, this.lines, this.cursor);
    this.element = make("figure", { class: "chart" },
      make("figcaption", {}, caption, this.top),
      this.svg,
      make("div", { class: "axis", "aria-hidden": "true" }, this.from, make("span", {}, "now")));
  }

  /** Show `series` ([{name, tone, values}], null where nothing is known) over `seconds` that end at `end`, with `marks`. `band` are shares
   *  of the height. */
  show(series, { end, seconds, marks, band = [] }) {
    const present = series.flatMap(one => one.values).filter(value => value !== null);
    const highest = Math.min(nice(Math.max(0, ...present), this.least), this.most);
    text(this.top, this.words(highest));
    text(this.from, `−${duration(seconds)}`);
    const now = series.map(one => `${one.name} ${this.words(one.values.findLast(value => value !== null) ?? null)}`).join(", ");
    attribute(this.svg, "aria-label", `${this.title}, last ${duration(seconds)}; now ${now}`);
    if (this.band) attribute(this.band, "d", area(band));
    keyed(this.lines, series, one => one.name, one => draw("path", { class: `line ${one.tone}` }), (path, one) => {
      attribute(path, "class", `line ${one.tone}`);
      attribute(path, "d", line(one.values, highest));
    });
    keyed(this.marks, marks, mark => `${mark.t} ${mark.words}`,
      mark => draw("line", { class: `mark ${mark.kind}`, y1: 0, y2: HEIGHT }, draw("title", {}, `${moment(mark.t)} ${mark.words}`)),
      (mark, { t }) => {
        const x = (WIDTH * (1 - (end - t) / seconds)).toFixed(1);
        attribute(mark, "x1", x);
        attribute(mark, "x2", x);
      });
  }

  /** Show where the pointer is; `share` of the width, or null. */
  point(share) {
    const x = share === null ? -9 : (share * WIDTH).toFixed(1);
    attribute(this.cursor, "x1", x);
    attribute(this.cursor, "x2", x);
  }
}

/** The path through `values`; a value that has no neighbour becomes a dot. */
export function line(values, highest, width = WIDTH, height = HEIGHT) {
  const step = values.length > 1 ? width / (values.length - 1) : width;
  let path = "";
  let open = false;
  values.forEach((value, at) => {
    if (value === null) {
      open = false;
      return;
    }
    const y = height - Math.min(value / highest, 1) * height;
    const point = `${(at * step).toFixed(1)} ${y.toFixed(1)}`;
    const alone = !open && (values[at + 1] ?? null) === null;
    path += open ? `L${point}` : alone ? `M${point}h.1` : `M${point}`;
    open = true;
  });
  return path;
}

/** The stairs below `values`, each of which is a share of the height. */
function area(values, width = WIDTH, height = HEIGHT) {
  const step = width / Math.max(values.length - 1, 1);
  return values.map((value, at) => {
    if (!value) return "";
    const left = Math.max(0, (at - 0.5) * step), right = Math.min(width, (at + 0.5) * step);
    return `M${left.toFixed(1)} ${height}V${(height * (1 - Math.min(value, 1))).toFixed(1)}H${right.toFixed(1)}V${height}Z`;
  }).join("");
}

export function sparkline() {
  return draw("svg", { class: "spark", viewBox: "0 0 60 16", preserveAspectRatio: "none", "aria-hidden": "true" }, draw("path", { class: "line" }));
}

export function spark(element, values) {
  attribute(element.firstChild, "d", line(values, Math.max(1, ...values.filter(value => value !== null)), 60, 15));
}
