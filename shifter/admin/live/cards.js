// Routes with several versions behind them: one card each, with the versions side by side.

import { Chart } from "./chart.js";
import { $, attribute, keyed, make, text } from "./dom.js";
import { milliseconds, moment, percent, plural, rate } from "./format.js";
import { errors, perSecond } from "./store.js";
import { tone } from "./tones.js";

const RECENT = 10;
const FEW = 6;
const POINTS = 60;
const ROWS = 24;
const COLUMNS = [
  ["Version", "name"], ["Weight", "weight"], ["Share now", "actual"], ["Requests/s", "rps"], ["Errors", "errors"],
  ["p50", "p50"], ["p90", "p90"], ["p99", "p99"], ["Healthy", "healthy"],
];

let shown = FEW;

export function cards(store, { matches, seconds, change }) {
  const routes = store.routes.filter(route => route.to.length > 1 && matches(route));
  $("cards-section").hidden = !store.routes.some(route => route.to.length > 1);
  const few = routes.slice(0, shown);
  keyed($("cards"), few, route => route.key, () => new Card(change).element, (element, route) => element.card.show(store, route, seconds));
  more(routes.length - few.length);
}

function more(rest) {
  let button = $("cards-more");
  if (!button) {
    button = make("button", { id: "cards-more", type: "button", class: "more", onclick: () => { shown += FEW; } });
    $("cards").after(button);
  }
  button.hidden = rest <= 0;
  text(button, `Show more (${rest})`);
}

class Card {
  constructor(change) {
    this.title = make("h3");
    this.about = make("p", { class: "about" });
    this.note = make("p", { class: "note", hidden: true });
    this.body = make("tbody", { role: "rowgroup" });
    this.table = make("table", { class: "versions", role: "table" },
      make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, COLUMNS.map(([words]) => make("th", { scope: "col", role: "columnheader" }, words)))),
      this.body);
    this.charts = [
      new Chart({ title: "Requests/s", words: rate, least: 1 }),
      new Chart({ title: "Errors", words: percent, least: 0.01, most: 1 }),
      new Chart({ title: "p50", words: milliseconds, least: 1 }),
      new Chart({ title: "p90", words: milliseconds, least: 1 }),
      new Chart({ title: "p99", words: milliseconds, least: 1 }),
    ];
    this.readout = make("p", { class: "readout", "aria-hidden": "true" });
    this.plots = make("div", { class: "charts" }, this.charts.map(chart => chart.element));
    for (const chart of this.charts) {
      chart.svg.addEventListener("pointermove", event => {
        const box = chart.svg.getBoundingClientRect();
        this.point(Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1));
      });
      chart.svg.addEventListener("pointerleave", () => this.point(null));
    }
    this.data = make("table", { class: "data" });
    this.details = make("details", { class: "numbers", ontoggle: () => this.rows() }, make("summary", {}, "The same in numbers"),
      make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Figures over time" }, this.data));
    this.controls = make("div", { class: "controls" });
    this.change = change;
    this.element = make("article", { class: "card" },
      make("header", {}, make("div", {}, this.title, this.about), this.controls), this.table, this.plots, this.readout, this.note, this.details);
    this.element.card = this;
  }

  show(store, route, seconds) {
    this.store = store;
    this.route = route;
    text(this.title, route.name ? `${route.name}: ${route.match}` : route.match);
    const host = route.host ? `${route.host.name} (${route.host.domains.join(", ")}) on ` : "";
    const sticky = route.sticky ? " · sticky" : "";
    text(this.about, `${host}${route.listener.name}${sticky}${route.place ? ` · ${route.place}` : ""}`);
    this.versions(store, route);
    this.plot(store, route, seconds);
    const shared = route.to.filter(entry => store.users(entry.cluster).length > 1);
    this.note.hidden = shared.length === 0;
    text(this.note, shared.map(entry =>
      `${entry.cluster} also serves ${plural(store.users(entry.cluster).length - 1, "other route")}; its figures are of all of them.`).join(" "));
    if (this.details.open) this.rows();
    this.change?.(this.controls, route);
  }

  versions(store, route) {
    const recent = route.to.map(entry => store.sum(entry.cluster, store.now - RECENT, Infinity));
    const all = recent.reduce((sum, one) => sum + one.rq + (route.host ? 0 : one.cx), 0);
    const rows = route.to.map((entry, at) => ({ entry, at, sum: recent[at] }));
    keyed(this.body, rows, row => `${row.entry.cluster} ${row.at}`, ({ entry }) => make("tr", { role: "row" },
      make("th", { scope: "row", role: "rowheader" }, make("span", { class: `swatch ${tone(entry.cluster)}`, "aria-hidden": "true" }), make("span")),
      COLUMNS.slice(1).map(([words]) => make("td", { role: "cell", "data-label": words }, make("span")))),
    (row, { entry, sum }) => {
      const cluster = store.clusters.get(entry.cluster) ?? {};
      const share = errors(sum);
      const values = [
        entry.cluster,
        `${entry.weight} (${percent(entry.share)})`,
        percent(all ? (sum.rq + (route.host ? 0 : sum.cx)) / all : null),
        rate(perSecond(route.host ? sum.rq : sum.cx, sum)),
        percent(share),
        ...[0.5, 0.9, 0.99].map(part => milliseconds(store.quantile(sum.buckets, part))),
        `${cluster.healthy ?? 0} of ${cluster.members ?? 0}`,
      ];
      [...row.children].forEach((cell, at) => text(cell.lastChild, values[at]));
      row.children[4].classList.toggle("bad", share > 0.01);
      row.children[8].classList.toggle("bad", (cluster.healthy ?? 0) < (cluster.members ?? 0) || !cluster.members);
      attribute(row, "class", tone(entry.cluster));
    });
  }

  plot(store, route, seconds) {
    const step = seconds / POINTS;
    const end = Math.ceil(store.now / step) * step;
    const bins = route.to.map(entry => store.bins(entry.cluster, end - seconds - step, step, POINTS + 1));
    const series = value => route.to.map((entry, at) => ({
      name: entry.cluster, tone: tone(entry.cluster), values: bins[at].map(bin => (bin.seconds ? value(bin) : null)),
    }));
    const names = new Set(route.to.map(entry => entry.cluster));
    const marks = store.marks(end - seconds).filter(mark => !mark.cluster || names.has(mark.cluster));
    this.figures = [
      series(bin => perSecond(route.host ? bin.rq : bin.cx, bin)),
      series(errors),
      ...[0.5, 0.9, 0.99].map(part => series(bin => store.quantile(bin.buckets, part))),
    ];
    this.span = { end, seconds, marks };
    this.charts.forEach((chart, at) => chart.show(this.figures[at], this.span));
    this.point(this.pointed ?? null);
  }

  /** Say what the figures were where the pointer is. */
  point(share) {
    this.pointed = share;
    for (const chart of this.charts) chart.point(share);
    this.element.classList.toggle("pointed", share !== null);
    if (share === null || !this.figures) {
      text(this.readout, "");
      return;
    }
    const { end, seconds, marks } = this.span;
    const at = Math.round(share * POINTS);
    const when = end - seconds * (1 - share);
    const words = this.route.to.map((entry, number) => {
      const [rps, share, p50, p90, p99] = this.figures.map(series => series[number].values[at]);
      return `${entry.cluster}: ${rate(rps)}/s, ${percent(share)} errors, p50 ${milliseconds(p50)}, p90 ${milliseconds(p90)}, p99 ${milliseconds(p99)}`;
    });
    const near = marks.filter(mark => Math.abs(mark.t - when) < seconds / POINTS * 1.5).map(mark => mark.words);
    text(this.readout, [moment(when), ...words, ...near].join(" · "));
  }

  /** Fill the table that says what the charts say. */
  rows() {
    if (!this.details.open || !this.figures) return;
    const { end, seconds } = this.span;
    const names = this.route.to.map(entry => entry.cluster);
    const head = make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Until"),
      names.flatMap(name => ["Requests/s", "Errors", "p50", "p90", "p99"].map(words => make("th", { scope: "col" }, `${name} ${words}`)))));
    const words = [rate, percent, milliseconds, milliseconds, milliseconds];
    const rows = [];
    for (let at = POINTS; at > POINTS - ROWS; at--) {
      rows.push(make("tr", {}, make("th", { scope: "row" }, moment(end - seconds * (1 - at / POINTS))),
        names.flatMap((_, number) => this.figures.map((series, kind) => make("td", {}, words[kind](series[number].values[at]))))));
    }
    this.data.replaceChildren(make("caption", { class: "unseen" }, `Figures of ${names.join(" and ")}, the newest first`), head, make("tbody", {}, rows));
  }
}
