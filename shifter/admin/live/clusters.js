// All clusters, with their endpoints behind a click.

import { spark, sparkline } from "./chart.js";
import { $, attribute, keyed, make, text } from "./dom.js";
import { bytes, count, milliseconds, percent, plural, rate } from "./format.js";
import { errors, FLAGS, perSecond } from "./store.js";
import { tone } from "./tones.js";

const RECENT = 10;
const FEW = 25;
const SPARK = 60;
const COLUMNS = [
  { words: "Cluster", key: "name" },
  { words: "Requests/s", key: "rps" },
  { words: "Errors", key: "errors" },
  { words: "p50", key: "p50" },
  { words: "p90", key: "p90" },
  { words: "p99", key: "p99" },
  { words: "Under way", key: "active" },
  { words: "Connections", key: "cx" },
  { words: "Healthy", key: "ill" },
  { words: "Last minute", key: null },
];

let shown = FEW;
let order = { key: null, down: true };
let body = null, button = null, heads = [];
const open = new Set();

export function clusters(store, { matchesCluster }) {
  if (!body) build();
  const names = Object.keys(store.topology.clusters).filter(matchesCluster);
  text($("clusters-count"), String(names.length));
  let rows = names.map(name => ({ name }));
  if (order.key) {
    for (const row of rows) figures(store, row);
    const sign = order.down ? -1 : 1;
    rows.sort((one, two) => sign * compare(one[order.key], two[order.key]));
  }
  rows = rows.slice(0, shown);
  if (!order.key) for (const row of rows) figures(store, row);
  keyed(body, rows.flatMap(row => (open.has(row.name) ? [row, { ...row, endpoints: true }] : [row])), row => `${row.name}${row.endpoints ? " " : ""}`,
    row => (row.endpoints ? endpointsRow() : clusterRow(row)),
    (element, row) => (row.endpoints ? showEndpoints(store, element, row) : showCluster(store, element, row)));
  button.hidden = names.length <= shown;
  text(button, `Show more (${names.length - shown})`);
}

const compare = (one, two) => (one === two ? 0 : one === null ? -1 : two === null ? 1 : one < two ? -1 : 1);

function figures(store, row) {
  const sum = store.sum(row.name, store.now - RECENT, Infinity);
  const known = store.clusters.get(row.name) ?? {};
  row.sum = sum;
  row.rps = perSecond(sum.rq, sum);
  row.errors = errors(sum);
  [row.p50, row.p90, row.p99] = [0.5, 0.9, 0.99].map(share => store.quantile(sum.buckets, share));
  row.active = known.active ?? 0;
  row.cx = known.cx ?? 0;
  row.ill = (known.members ?? 0) - (known.healthy ?? 0);
  row.known = known;
}

function build() {
  heads = COLUMNS.map(({ words, key }) => make("th", { scope: "col", role: "columnheader" }, key
    ? make("button", { type: "button", onclick: () => sort(key) }, words) : words));
  body = make("tbody", { role: "rowgroup" });
  button = make("button", { type: "button", class: "more", onclick: () => { shown += 4 * FEW; } });
  $("clusters").append(make("table", { class: "clusters", role: "table" },
    make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, heads)), body), button);
}

function sort(key) {
  order = order.key !== key ? { key, down: key !== "name" } : order.down === (key !== "name") ? { key, down: !order.down } : { key: null, down: true };
  COLUMNS.forEach((column, at) =>
    attribute(heads[at], "aria-sort", column.key && column.key === order.key ? (order.down ? "descending" : "ascending") : null));
}

function clusterRow({ name }) {
  const toggle = make("button", { type: "button", class: "toggle", "aria-expanded": "false", onclick: () => {
    if (!open.delete(name)) open.add(name);
    attribute(toggle, "aria-expanded", String(open.has(name)));
  } }, make("span", { class: "arrow", "aria-hidden": "true" }), make("span", { class: "swatch", "aria-hidden": "true" }), name);
  return make("tr", { role: "row" }, make("th", { scope: "row", role: "rowheader" }, toggle),
    COLUMNS.slice(1).map(({ words, key }) => make("td", { role: "cell", "data-label": words }, key ? make("span") : sparkline())));
}

function showCluster(store, element, row) {
  attribute(element.firstChild.firstChild.children[1], "class", `swatch ${tone(row.name)}`);
  const quiet = !row.sum.rq && row.sum.cx;
  const values = [
    quiet ? `${rate(perSecond(row.sum.cx, row.sum))} cx` : rate(row.rps), percent(row.errors), milliseconds(row.p50), milliseconds(row.p90),
    milliseconds(row.p99), count(row.active), count(row.cx), `${row.known.healthy ?? 0} of ${row.known.members ?? 0}`,
  ];
  values.forEach((value, at) => text(element.children[at + 1].firstChild, value));
  element.children[2].classList.toggle("bad", row.errors > 0.01);
  element.children[8].classList.toggle("bad", row.ill > 0 || !row.known.members);
  const end = Math.ceil(store.now / 2) * 2;
  const bins = store.bins(row.name, end - SPARK, 2, SPARK / 2);
  spark(element.lastChild.firstChild, bins.map(bin => (bin.seconds ? (bin.rq || bin.cx) / bin.seconds : null)));
}

function endpointsRow() {
  return make("tr", { role: "row", class: "endpoints" }, make("td", { role: "cell", colspan: COLUMNS.length },
    make("p", { class: "about" }), make("ul")));
}

function showEndpoints(store, element, { name, sum, known }) {
  const [about, list] = element.firstChild.children;
  const facts = store.topology.clusters[name];
  const users = store.users(name);
  text(about, [
    facts.type, facts.lb_policy,
    facts.checked ? "health checks" : "no health checks", facts.outliers ? "outlier detection" : "no outlier detection",
    `used by ${plural(users.length, "route")}`,
    sum.seconds ? `${bytes(perSecond(sum.rx, sum))}/s received` : "", sum.seconds ? `${bytes(perSecond(sum.tx, sum))}/s sent` : "", facts.place,
  ].filter(Boolean).join(" · "));
  const endpoints = Object.entries(known.endpoints ?? {});
  keyed(list, endpoints, ([address]) => address,
    ([address]) => make("li", {}, make("span", { class: "health" }), make("code", {}, address), make("span", { class: "why" }), make("span", { class: "number" })),
    (item, [address, endpoint]) => {
      const mine = store.sum(name, store.now - RECENT, Infinity, address);
      const [health, , why, number] = item.children;
      attribute(item, "data-health", endpoint.health);
      text(health, endpoint.health);
      text(why, [endpoint.hostname, endpoint.zone, endpoint.priority ? `priority ${endpoint.priority}` : "", endpoint.weight === 1 ? "" : `weight ${endpoint.weight}`,
        ...(endpoint.flags ?? []).map(flag => FLAGS[flag] ?? flag.replaceAll("_", " "))].filter(Boolean).join(", "));
      text(number, `${rate(perSecond(mine.rq, mine))}/s${mine.e5 ? `, ${percent(mine.e5 / mine.rq)} errors` : ""}`);
    });
}
