// The head of the page: what the proxy is, and all traffic in a few numbers.

import { $, keyed, make, text } from "./dom.js";
import { count, duration, moment, percent, plural, rate } from "./format.js";
import { weight } from "./release-words.js";
import { errors, perSecond } from "./store.js";

const RECENT = 10;

export function overview(store) {
  header(store);
  problems(store.state.problems);
  notices(store.state.notices ?? []);
  releases(store.state.releases ?? []);
  keyed($("overview"), [...tiles(store)], tile => tile.name, tile => make("div", {}, make("dt", {}, tile.name), make("dd", {}, make("strong"), make("small"))),
    (element, { value, more, bad }) => {
      const [strong, small] = element.lastChild.children;
      text(strong, value);
      text(small, more);
      element.classList.toggle("bad", Boolean(bad));
    });
}

function* tiles(store) {
  const requests = store.traffic("managers", RECENT);
  const share = errors(requests);
  yield { name: "Requests", value: rate(perSecond(requests.rq, requests)), more: "a second" };
  yield { name: "Errors", value: percent(share), more: "of answers 5xx", bad: share > 0.01 };
  const tcp = store.traffic("tcp", RECENT);
  if (store.routes.some(route => route.chain.kind === "tcp")) yield { name: "TCP", value: rate(perSecond(tcp.cx, tcp)), more: "connections a second" };
  let connections = 0;
  for (const number of store.gauges.listeners.values()) connections += number;
  yield { name: "Clients", value: count(connections), more: "connections open" };
  let healthy = 0, members = 0, active = 0;
  for (const cluster of store.clusters.values()) {
    healthy += cluster.healthy ?? 0;
    members += cluster.members ?? 0;
    active += cluster.active ?? 0;
  }
  yield { name: "Under way", value: count(active), more: "requests upstream" };
  yield { name: "Endpoints", value: `${count(healthy)} of ${count(members)}`, more: "are healthy", bad: healthy < members };
}

function header(store) {
  const { hello, state, topology } = store;
  if (!hello) return;
  const facts = [
    ["state", state.state],
    ["version", `version ${hello.version}`],
    ["up", `up ${duration(store.now - hello.started)}`],
    ["config", topology.version ? `configuration ${topology.version}` : "no configuration"],
    ["since", topology.version ? `since ${moment(topology.taken)}` : ""],
    ["source", topology.source ?? ""],
  ].filter(([, words]) => words);
  keyed($("server"), facts, ([name]) => name, ([name]) => make("span", { class: `fact ${name}` }), (element, [, words]) => text(element, words));
  $("server").firstChild.dataset.state = state.state;
  const title = `shifter${topology.node ? ` ${topology.node}` : ""}${state.problems.length ? " (configuration refused)" : ""}`;
  if (document.title !== title) document.title = title;
}

function notices(list) {
  $("notices").hidden = list.length === 0;
  keyed($("notices-list"), list, notice => notice, notice => make("li", {}, notice));
}

function releases(list) {
  $("releases").hidden = list.length === 0;
  text($("releases-title"), list.length === 1 ? "A release runs" : `${list.length} releases run`);
  keyed($("releases-list"), list, one => one.name, one => make("li", {}, make("a", { href: `/release/${encodeURIComponent(one.name)}` }, one.name), make("span")),
    (element, { state, canary, weight: share }) => text(element.lastChild, ` is ${state}: ${weight(share)} for ${canary}`));
}

function problems(list) {
  $("problems").hidden = list.length === 0;
  text($("problems-title"), `The last configuration was refused with ${plural(list.length, "problem")}; the one before it is in use`);
  keyed($("problems-list"), list, problem => problem, problem => make("li", {}, make("code", {}, problem)));
}
