// How much speaks against the new version, how much would be enough, and who was served by it.

import { $, attribute, keyed, make, text } from "./dom.js";
import { count, percent, plural } from "./format.js";
import { checked, evidenceOf, span } from "./release-words.js";
import { tone } from "./tones.js";

export function evidence(release) {
  const { value, errors, latency, fast, threshold } = release.evidence;
  const gauges = [
    { key: "value", title: "Takes it back", value, main: true },
    { key: "errors", title: "from errors", value: errors },
    { key: "latency", title: "from latency", value: latency },
    { key: "fast", title: "Brakes it", value: fast },
  ];
  keyed($("gauges"), gauges, gauge => gauge.key, ({ main }) => gauge(main), (element, one) => show(element, one, threshold));
  keyed($("rules"), [...rules(release)], rule => rule.key, () => make("li", {}, make("span", { class: "rule" }), make("span", { class: "now" })),
    (element, { words, now, near }) => {
      text(element.firstChild, words);
      text(element.lastChild, now);
      element.classList.toggle("near", Boolean(near));
    });
  exposure(release);
}

function gauge(main) {
  const fill = make("span", { class: "fill" });
  const element = make("li", { class: main ? "gauge main" : "gauge" }, make("span", { class: "title" }),
    make("div", { class: "track", role: "meter" }, make("div", { class: "scale" }, fill), make("div", { class: "ticks", "aria-hidden": "true" })), make("strong"));
  element.fill = fill;
  return element;
}

/** Where `value` is between 1 and `threshold`, both of which are powers. */
const place = (value, threshold) => Math.min(1, Math.max(0, Math.log(Math.max(value, 1)) / Math.log(threshold)));

function show(element, { title, value, key }, threshold) {
  const [label, track, number] = element.children;
  const at = place(value, threshold);
  text(label, title);
  text(number, evidenceOf(value));
  element.fill.style.setProperty("--part", at);
  attribute(element, "data-level", value >= threshold ? "full" : at > 0.5 ? "much" : "little");
  for (const [name, told] of [["label", `Evidence: ${title}`], ["valuemin", 1], ["valuemax", threshold], ["valuenow", Math.min(Math.max(value, 1), threshold)],
    ["valuetext", `${evidenceOf(value)}; ${evidenceOf(threshold)} is enough`]]) attribute(track, `aria-${name}`, told);
  if (key !== "fast" && key !== "value") return;
  const ticks = [1];
  for (let tick = 10; tick < threshold * 0.99; tick *= 10) ticks.push(tick);
  ticks.push(threshold);
  keyed(track.lastChild, ticks.slice(-7), tick => tick, tick => {
    const mark = make("span", {}, evidenceOf(tick).replace(".0", ""));
    mark.style.setProperty("--at", place(tick, threshold));
    return mark;
  });
}

const enough = threshold => evidenceOf(threshold).replace(".0", "");

/** What would have the release taken back, and how far that is. */
function* rules(release) {
  const { evidence: told, budget, exposure: served, canary, baseline } = release;
  yield {
    key: "evidence", words: `Evidence of ${enough(told.threshold)}, which chance alone brings about in 1 of ${enough(told.threshold)} releases`,
    now: `now ${evidenceOf(told.value)}`, near: told.value * told.value > told.threshold,
  };
  if (budget) {
    const spent = Math.max(0, served.excess_failed);
    yield { key: "budget", words: `${plural(budget, "failed request")} that ${baseline} would not have failed`, now: `now ${count(Math.floor(spent))}`, near: spent > budget / 2 };
  }
  const [healthy, all] = release.endpoints.canary;
  yield { key: "endpoints", words: `No healthy endpoint of ${canary}`, now: `${healthy} of ${all} healthy`, near: healthy < all };
  const step = release.steps.find(one => one.number === release.step);
  if (step && step.undecided === "roll_back" && !step.length && !release.over) {
    yield { key: "undecided", words: `No verdict on this step within ${span(step.max)}`, now: `now ${span(release.in_step)}`, near: release.in_step > step.max / 2 };
  }
  if (step?.gate?.waiting) yield { key: "gate", words: `A “no” to the gate ${step.gate.name}`, now: "waits", near: false };
  for (const [at, check] of release.checks.entries()) yield { key: `check ${at}`, ...checked(check) };
}

function exposure(release) {
  const { exposure: served, endpoints, baseline, canary, budget } = release;
  const rows = [
    { name: baseline, requests: served.baseline_requests, failed: served.baseline_failed, healthy: endpoints.baseline },
    { name: canary, requests: served.canary_requests, failed: served.canary_failed, healthy: endpoints.canary },
  ];
  keyed($("exposure"), rows, row => row.name, () => make("tr", {},
    make("th", { scope: "row" }, make("span", { class: "swatch", "aria-hidden": "true" }), make("span")), make("td"), make("td"), make("td")),
  (element, { name, requests, failed, healthy }) => {
    attribute(element, "class", tone(name));
    const [head, all, bad, ends] = element.children;
    text(head.lastChild, name);
    text(all, count(requests));
    text(bad, `${count(failed)} (${percent(requests ? failed / requests : null)})`);
    text(ends, `${healthy[0]} of ${healthy[1]}`);
    ends.classList.toggle("bad", healthy[0] < healthy[1] || !healthy[1]);
  });
  const spent = Math.max(0, served.excess_failed);
  const lines = [{
    key: "excess", words: `${plural(Math.round(spent), "request")} failed that ${baseline} would have served`,
    now: budget ? `${count(Math.max(0, Math.floor(budget - spent)))} of ${count(budget)} left` : "no bound is set", near: budget && spent > budget / 2,
  }];
  const [before, since] = release.evidence.in_flight ?? [0, 0];
  if (!release.over) lines.push({ key: "flight", words: "Under way", now: `${count(before)} and ${count(since)}` });
  if (served.forced_requests) lines.push({ key: "forced", words: "Sent there by their header, not judged", now: count(served.forced_requests) });
  if (served.mirrored) lines.push({ key: "mirrored", words: "Copies, not judged", now: count(served.mirrored) });
  if (release.unit === "user") lines.push({ key: "unit", words: "Users stay with a version: each counts once", now: "" });
  keyed($("others"), lines, line => line.key, () => make("li", {}, make("span", { class: "rule" }), make("span", { class: "now" })), (element, { words, now, near }) => {
    text(element.firstChild, words);
    text(element.lastChild, now);
    element.classList.toggle("near", Boolean(near));
  });
  keyed($("budget"), budget ? [budget] : [], () => "meter", () => make("div", { class: "track", role: "meter", "aria-label": "Exposure budget spent" },
    make("div", { class: "scale" }, make("span", { class: "fill" }))), element => {
    const part = Math.min(1, spent / budget);
    attribute(element, "data-level", part >= 1 ? "full" : part > 0.5 ? "much" : "little");
    attribute(element, "aria-valuenow", Math.min(spent, budget));
    attribute(element, "aria-valuemax", budget);
    element.firstChild.firstChild.style.setProperty("--part", part);
  });
}
