// Listeners, routes, clusters and endpoints, with lines as wide as the traffic between them.
//
// Rule 1. Each column is a list; the lines are only drawn over it. Where there is no room for columns, routes name where they lead.
// Rule 2. Numbers are counted ones. Of a cluster that several routes share it is not counted which brought what: those lines are
//         drawn from the routes' weights, and where that does not say it, dashed.

import { $, attribute, draw, keyed, make, text } from "./dom.js";
import { percent, rate } from "./format.js";
import { errors, FLAGS, perSecond } from "./store.js";
import { tone } from "./tones.js";

const RECENT = 10;
const FEW = 16;
const ENDPOINTS = 4;
const WIDEST = 9;
const ENOUGH = 0.2;

let shown = FEW;
let columns = null, lines = null, button = null, held = null;

export function picture(store, { matches }) {
  if (!columns) build(store);
  const matching = store.routes.filter(matches);
  const routes = matching.slice(0, shown);
  const listeners = [...new Set(routes.map(route => route.listener))];
  const clusters = [...new Set(routes.flatMap(route => route.to.map(entry => entry.cluster)))];
  const sums = new Map(clusters.map(name => [name, store.sum(name, store.now - RECENT, Infinity)]));
  const flows = estimate(store, routes, sums);

  keyed(columns.listeners, listeners, listener => listener.name, listener => node("listener", make("strong", {}, listener.name), make("span", { class: "where" }), make("span", { class: "number" })),
    (element, listener) => showListener(store, element.firstChild, listener));
  keyed(columns.routes, routes, route => route.key, route => routeNode(route), (element, route) => showRoute(element.firstChild, route, flows));
  keyed(columns.clusters, clusters, name => name, name => node("cluster", make("strong", {}, make("span", { class: "swatch", "aria-hidden": "true" }), name), make("span", { class: "number" }), make("span", { class: "where" })),
    (element, name) => showCluster(store, element.firstChild, name, sums.get(name)));
  const endpoints = clusters.flatMap(name => few(store, name));
  keyed(columns.endpoints, endpoints, one => `${one.cluster} ${one.address}`, () => node("endpoint", make("code"), make("span", { class: "number" }), make("span", { class: "where" })),
    (element, one) => showEndpoint(store, element.firstChild, one));
  button.hidden = matching.length <= routes.length;
  text(button, `Show more routes (${matching.length - routes.length})`);
  connect({ listeners, routes, clusters, endpoints, flows, sums, store });
}

function build() {
  lines = draw("svg", { class: "lines", "aria-hidden": "true" });
  const column = (name, title) => {
    const list = make("ul");
    $("picture").append(make("section", { class: `column ${name}` }, make("h3", {}, title), list));
    return list;
  };
  $("picture").append(lines);
  columns = {
    listeners: column("listeners", "Listeners"), routes: column("routes", "Routes"),
    clusters: column("clusters-of", "Clusters"), endpoints: column("endpoints-of", "Endpoints"),
  };
  button = make("button", { type: "button", class: "more", onclick: () => { shown += 2 * FEW; } });
  $("picture").after(button);
  new ResizeObserver(() => held && requestAnimationFrame(() => connect(held))).observe($("picture"));
}

const node = (kind, ...children) => make("li", {}, make("div", { class: `node ${kind}` }, children));

function routeNode(route) {
  const entries = make("ul", { class: "entries" });
  return node("route", make("span", { class: "match" }, route.name ? `${route.name}: ${route.match}` : route.match),
    make("span", { class: "where" }, route.host ? `${route.host.name} #${route.number}` : "TCP"), make("span", { class: "number" }), entries);
}

function showListener(store, element, listener) {
  const chains = new Set(listener.chains.map(chain => `${listener.name} ${chain.stat_prefix}`));
  let rq = 0, cx = 0, seconds = 0;
  for (const name of chains) {
    const http = store.traffic("managers", RECENT, name), tcp = store.traffic("tcp", RECENT, name);
    rq += http.rq;
    cx += tcp.cx;
    seconds = http.seconds;
  }
  text(element.children[1], `${listener.address}${listener.chains.some(chain => chain.tls) ? " TLS" : ""}`);
  const sum = { seconds };
  text(element.children[2], [rq || !cx ? `${rate(perSecond(rq, sum))}/s` : "", cx ? `${rate(perSecond(cx, sum))} cx/s` : ""].filter(Boolean).join(", "));
}

function showRoute(element, route, flows) {
  const flow = flows.get(route.key);
  text(element.children[2], route.answer ?? (flow.total === null ? "" : `${flow.exact ? "" : "≈ "}${rate(flow.total)}/s`));
  keyed(element.lastChild, route.to, entry => entry.cluster, () => make("li", {}, make("span", { class: "swatch", "aria-hidden": "true" }), make("span")),
    (item, entry) => {
      attribute(item.firstChild, "class", `swatch ${tone(entry.cluster)}`);
      text(item.lastChild, route.to.length > 1 ? `${entry.cluster} ${percent(entry.share)}` : entry.cluster);
    });
}

function showCluster(store, element, name, sum) {
  const known = store.clusters.get(name) ?? {};
  attribute(element.firstChild.firstChild, "class", `swatch ${tone(name)}`);
  const share = errors(sum);
  text(element.children[1], sum.rq || !sum.cx ? `${rate(perSecond(sum.rq, sum))}/s` : `${rate(perSecond(sum.cx, sum))} cx/s`);
  const missing = !(name in store.topology.clusters);
  text(element.children[2], missing ? "there is no such cluster" : `${percent(share)} errors · p99 ${ms(store, sum)} · ${known.healthy ?? 0} of ${known.members ?? 0} healthy`);
  element.classList.toggle("bad", missing || share > 0.01 || (known.healthy ?? 0) < (known.members ?? 0) || !known.members);
}

function ms(store, sum) {
  const value = store.quantile(sum.buckets, 0.99);
  return value === null ? "–" : value >= 10 ? `${value.toFixed(0)} ms` : `${value.toFixed(1)} ms`;
}

function few(store, name) {
  const all = Object.entries(store.clusters.get(name)?.endpoints ?? {}).map(([address, about]) => ({ cluster: name, address, about }));
  if (all.length <= ENDPOINTS) return all;
  all.sort((one, two) => (one.about.health === "healthy") - (two.about.health === "healthy"));
  return [...all.slice(0, ENDPOINTS - 1), { cluster: name, address: "", rest: all.length - ENDPOINTS + 1, about: { health: "healthy" } }];
}

function showEndpoint(store, element, { cluster, address, about, rest }) {
  attribute(element, "data-health", rest ? null : about.health);
  text(element.firstChild, rest ? `and ${rest} more of ${cluster}` : address);
  if (rest) return;
  const sum = store.sum(cluster, store.now - RECENT, Infinity, address);
  text(element.children[1], `${rate(perSecond(sum.rq, sum))}/s`);
  text(element.children[2], about.health === "healthy" ? "" : [about.health, ...(about.flags ?? []).map(flag => FLAGS[flag] ?? flag.replaceAll("_", " "))].join(", "));
}

/** What each route brings each of its clusters, a second (rule 2); null where that cannot be told: from a small share, or while other
 *  weights held for some of the time. */
function estimate(store, routes, sums) {
  const of = name => perSecond(sums.get(name).rq || sums.get(name).cx, sums.get(name)) ?? 0;
  const settled = store.now - store.topology.taken > RECENT;
  const flows = new Map();
  for (const route of routes) {
    const own = route.to.filter(entry => store.users(entry.cluster).length === 1);
    const share = own.reduce((sum, entry) => sum + entry.share, 0);
    const counted = own.reduce((sum, entry) => sum + of(entry.cluster), 0);
    const exact = own.length === route.to.length;
    const total = exact ? counted : settled && share >= ENOUGH ? counted / share : null;
    flows.set(route.key, {
      exact, total,
      to: new Map(route.to.map(entry => [entry.cluster, own.includes(entry) ? of(entry.cluster) : total === null ? null : total * entry.share])),
    });
  }
  return flows;
}

/** Draw the lines between what stands in the columns. */
function connect(parts) {
  held = parts;
  const { listeners, routes, endpoints, flows, store } = parts;
  const frame = $("picture").getBoundingClientRect();
  if (getComputedStyle(lines).display === "none" || !frame.width) return;
  attribute(lines, "viewBox", `0 0 ${frame.width} ${frame.height}`);
  const at = (column, key) => columns[column].keyedChildren?.get(key)?.firstChild.getBoundingClientRect();
  const wanted = [];
  const add = (key, from, to, value, kind) => from && to && wanted.push({ key, from, to, value, kind });
  for (const route of routes) {
    const flow = flows.get(route.key);
    add(`l ${route.key}`, at("listeners", route.listener.name), at("routes", route.key), flow.total, "tone-none");
    for (const entry of route.to) add(`r ${route.key} ${entry.cluster}`, at("routes", route.key), at("clusters", entry.cluster), flow.to.get(entry.cluster), tone(entry.cluster));
  }
  for (const one of endpoints) {
    const sum = one.rest ? null : store.sum(one.cluster, store.now - RECENT, Infinity, one.address);
    add(`e ${one.cluster} ${one.address}`, at("clusters", one.cluster), at("endpoints", `${one.cluster} ${one.address}`), sum && (perSecond(sum.rq, sum) ?? 0), tone(one.cluster));
  }
  const most = Math.max(1e-9, ...wanted.map(one => one.value ?? 0));
  keyed(lines, wanted, one => one.key, () => draw("path"), (path, { from, to, value, kind }) => {
    const x1 = from.right - frame.left, x2 = to.left - frame.left;
    const y1 = from.top + from.height / 2 - frame.top, y2 = to.top + to.height / 2 - frame.top;
    const bend = (x2 - x1) / 2;
    attribute(path, "d", `M${x1.toFixed(1)} ${y1.toFixed(1)}C${(x1 + bend).toFixed(1)} ${y1.toFixed(1)} ${(x2 - bend).toFixed(1)} ${y2.toFixed(1)} ${x2.toFixed(1)} ${y2.toFixed(1)}`);
    attribute(path, "class", `flow ${kind}${value === null ? " unknown" : value ? "" : " idle"}`);
    attribute(path, "stroke-width", value ? (1.5 + Math.sqrt(value / most) * (WIDEST - 1.5)).toFixed(1) : "1.2");
  });
}
