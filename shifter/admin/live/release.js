// The page of one release: what comes over its stream is kept and shown, once a second.
//
// Rule 1. What nobody can see is not drawn: a hidden tab only listens.
// Rule 2. Figures that were seen stay: a stream that was lost, or another process, adds to them.

import { $, attribute, keyed, make, text } from "./dom.js";
import { count, duration, moment, percent, rate } from "./format.js";
import { details, story } from "./release-details.js";
import { evidence } from "./release-evidence.js";
import { metrics } from "./release-metrics.js";
import { steps } from "./release-steps.js";
import { gate, keepingFocus, verbs } from "./release-verbs.js";
import { arrows, kindOf, span, weight } from "./release-words.js";
import { ask, greet, link, say, token, unlock } from "./session.js";
import { Stream } from "./stream.js";
import { assign, tone } from "./tones.js";

const KEPT = 900;
const LINES = ["errors", "p50", "p90", "p99"];
const name = decodeURIComponent(location.pathname.replace(/\/+$/, "").split("/").pop());
const here = `/v1/releases/${encodeURIComponent(name)}`;
const points = new Map(), events = new Map();
let release = null, drawn = false;

/** Add the figures of `series` to those that are known: all of them, or the last seconds. */
function keep(series) {
  if (!series) return;
  series.at.forEach((at, n) => {
    const point = { at, weight: series.weight?.[n] ?? null, evidence: series.evidence?.[n] ?? null };
    for (const line of LINES) point[line] = [series[line]?.[0]?.[n] ?? null, series[line]?.[1]?.[n] ?? null];
    points.set(Math.round(at), point);
  });
  const oldest = Math.max(...points.keys()) - KEPT;
  for (const at of points.keys()) if (at < oldest) points.delete(at);
}

function take(kind, data) {
  if (kind === "event") {
    events.set(data.number, data);
    return;
  }
  if (kind !== "status" || !data) return;
  if (release && release.state !== data.state) say(`${data.name} is ${data.state}: ${data.over ? data.reason : data.verdict}`);
  else if (release && release.step !== data.step) say(`Step ${data.step} of ${data.steps.length ?? data.steps}: ${weight(data.weight)} for ${data.canary}`);
  keep(data.series);
  release = data;
}

function headline() {
  const { state, baseline, canary } = release;
  text($("name"), release.name);
  attribute($("headline"), "data-kind", kindOf(release));
  text($("state"), state);
  keyed($("versions"), [baseline, canary], version => version, version =>
    make("span", { class: "version" }, make("span", { class: "swatch", "aria-hidden": "true" }), make("span")), (element, version) => {
    attribute(element, "class", `version ${tone(version)}`);
    text(element.lastChild, version === baseline ? version : `→ ${version}`);
  });
  const told = release.over || state === "rolling back" || state === "braked";
  const sentences = told || !release.verdict ? [release.reason, release.verdict] : [release.verdict, release.reason];
  ["verdict", "reason"].forEach((id, at) => text($(id), arrows(sentences[at])));
  attribute($("problem"), "hidden", !release.problem);
  text($("problem"), release.problem ?? "");
  const title = `${kindOf(release) === "bad" ? "✕ " : ""}${release.name}: ${state}${release.over ? "" : `, ${weight(release.weight)}`}`;
  if (document.title !== title) document.title = title;
  const facts = [
    ["route", release.route],
    ["started", `started ${moment(release.started)}`],
    ["unit", release.unit === "user" ? "users are counted" : release.unit ? "requests are counted" : ""],
    ["rate", typeof release.rate === "number" ? `${rate(release.rate)} requests/s` : ""],
    ["header", release.header ? `${release.forced ? "always" : "not yet"} with ${release.header}` : ""],
  ].filter(([, words]) => words);
  keyed($("facts"), facts, ([fact]) => fact, ([fact]) => make("span", { class: `fact ${fact}` }), (element, [, words]) => text(element, words));
}

function* tiles() {
  const { step, over } = release, current = release.steps.find(one => one.number === step);
  const whole = current && (current.length ?? current.max);
  yield { title: "Step", value: `${step} of ${release.steps.length}`, more: current?.title ?? "not begun" };
  yield { title: "New version gets", value: weight(release.weight), more: release.mirror ? `and copies of ${weight(release.mirror)}` : "of requests" };
  if (over) yield { title: "Took", value: duration(release.now - release.in_state - release.started), more: `over for ${span(release.in_state)}` };
  else yield { title: "In this step", value: span(release.in_step), more: whole ? `of ${span(whole)}${current.length ? "" : " at most"}` : "" };
  const { value, threshold } = release.evidence;
  yield { title: "Evidence against it", value: weigh(value), more: `of ${weigh(threshold)}`, bad: value >= threshold };
  const { canary_requests: requests, canary_failed: failed, excess_failed: excess } = release.exposure;
  yield { title: "New version served", value: count(requests), more: `${percent(requests ? failed / requests : null)} failed` };
  yield { title: "Failed in excess", value: weigh(Math.max(0, excess)), more: release.budget ? `of ${release.budget} that may` : "no bound is set" };
}

const weigh = value => (value >= 10 ? Math.round(value).toLocaleString("en") : value.toFixed(1).replace(".0", ""));

function figures(happened) {
  keyed($("figures"), [...tiles()], tile => tile.title, tile => make("div", {}, make("dt", {}, tile.title), make("dd", {}, make("strong"), make("small"))),
    (element, { value, more, bad }) => {
      text(element.lastChild.children[0], value);
      text(element.lastChild.children[1], more);
      element.classList.toggle("bad", Boolean(bad));
    });
  steps(release, happened);
  metrics(release, [...points.values()].sort((one, two) => one.at - two.at), happened);
  evidence(release);
  details(release);
}

function render() {
  drawn = false;
  if (document.hidden || !release) return;
  const whole = Boolean(release.evidence); // of one that has let go of its route long ago only the story is kept
  for (const section of document.querySelectorAll(".kept")) section.hidden = !whole;
  assign([{ to: [{ cluster: release.baseline }, { cluster: release.canary }] }]);
  keepingFocus(() => {
    verbs(release);
    gate(release);
  });
  const happened = [...events.values()].sort((one, two) => one.number - two.number);
  headline();
  story(happened);
  if (whole) figures(happened);
  $("main").hidden = false;
  document.body.dataset.ready = "yes";
}

function draw() {
  if (drawn) return;
  drawn = true;
  requestAnimationFrame(render);
}

const stream = new Stream({
  token,
  state(state) {
    $("missing").hidden = state !== "missing";
    text($("missing-words"), `There is no release “${name}”.`);
    // who has nothing more to tell may hang up
    link(state === "connecting" && release?.over ? "over" : state);
  },
  event(kind, data) {
    greet();
    link("live");
    $("missing").hidden = true;
    take(kind, data);
    draw();
  },
}, () => `${here}/events`);

text($("name"), name);
unlock(() => stream.hurry());
document.addEventListener("visibilitychange", draw);
$("patch-details").addEventListener("toggle", async () => {
  if (!$("patch-details").open) return;
  try {
    const answer = await ask("GET", `${here}/patch`);
    const words = await answer.text();
    text($("patch"), answer.ok ? words || "Nothing: the file says so already." : JSON.parse(words).detail);
  } catch (error) {
    text($("patch"), `It cannot be had: ${error.message}`);
  }
});
stream.run();
