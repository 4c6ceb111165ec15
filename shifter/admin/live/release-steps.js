// The steps as a staircase: what each gives the new version, how long it took or may take, what waits behind it.

import { $, attribute, keyed, make, text } from "./dom.js";
import { arrows, kindOf, span, weight } from "./release-words.js";

const LEAST = 0.045;

export function steps(release, happened) {
  keyed($("steps"), release.steps, step => step.number, create, (element, step) => {
    const current = step.state === "current";
    const kind = current ? kindOf(release) : step.state;
    attribute(element, "data-state", step.state);
    attribute(element, "data-kind", kind === "good" ? "done" : kind);
    attribute(element, "aria-current", current ? "step" : null);
    const { stair, fill, title, time, notes } = element.parts;
    // the root of a weight: 1 % is to be seen beside 100 %
    stair.style.setProperty("--height", step.kind === "weight" ? Math.max(LEAST, Math.sqrt(step.weight / 100)) : LEAST);
    fill.style.setProperty("--part", step.state === "done" ? 1 : current ? part(release, step) : 0);
    text(title, step.title);
    text(time, timeOf(release, step));
    keyed(notes, [...notesOf(release, step, happened)], note => note.key, note => make("li", {}, note.words), (note, { words, kind: tone }) => {
      attribute(note, "class", tone);
      text(note, words);
    });
  });
}

function create() {
  const parts = {
    fill: make("span", { class: "fill" }), title: make("p", { class: "title" }), time: make("p", { class: "time" }), notes: make("ul", { class: "notes" }),
  };
  parts.stair = make("div", { class: "stair", "aria-hidden": "true" }, parts.fill);
  const element = make("li", {}, make("div", { class: "well" }, parts.stair), make("div", { class: "words" }, parts.title, parts.time, parts.notes));
  element.parts = parts;
  return element;
}

function part(release, step) {
  if (release.state === "succeeded") return 1;
  return Math.min(1, Math.max(0.03, release.in_step / (step.length ?? step.max)));
}

function timeOf(release, step) {
  const bounds = step.length ? span(step.length) : step.min === step.max ? span(step.max) : `${span(step.min)} to ${span(step.max)}`;
  if (step.state === "done") return `done, took ${span(step.seconds)}`;
  if (step.state !== "current") return `${step.length ? "for" : "takes"} ${bounds}`;
  if (release.over) return `${release.state} after ${span(Math.max(step.seconds, release.in_step))}`;
  return `for ${span(release.in_step)} of ${bounds}`;
}

function* notesOf(release, step, happened) {
  const current = step.state === "current";
  if (current && release.state === "warming") yield { key: "warm", words: `warms up for ${span(step.warm_up)}`, kind: "calm" };
  else if (step.warm_up && step.state !== "done") yield { key: "warm", words: `warm-up ${span(step.warm_up)}`, kind: "" };
  if (step.hold_back) yield { key: "hold", words: `${weight(step.hold_back)} stays on ${release.baseline}`, kind: "" };
  const brakes = happened.filter(one => one.event === "braked" && one.step === step.number).length;
  if (brakes) yield { key: "brake", words: `braked ${brakes === 1 ? "once" : `${brakes} times`}`, kind: "warn" };
  if (current && release.state === "braked") yield { key: "braked", words: `now at ${weight(release.weight)}`, kind: "warn" };
  if (step.state !== "done" && !release.over) yield* needs(step);
  if (step.undecided !== "hold" && step.state !== "done" && !step.length) {
    yield { key: "undecided", words: `undecided: ${step.undecided === "advance" ? "goes on" : "rolls back"}`, kind: "" };
  }
  if (!step.gate) return;
  const state = step.gate.rejected ? "rejected" : step.gate.approved ? "approved" : step.gate.waiting ? "waits" : step.gate.kind;
  const kind = step.gate.rejected ? "bad" : step.gate.approved ? "good" : step.gate.waiting ? "warn" : "";
  yield { key: "gate", words: `◆ gate ${step.gate.name}: ${state}`, kind: `gate ${kind}` };
}

/** What the plan says of the step at the rate of the requests now. */
function* needs({ needs: planned, state, length, min }) {
  if (!planned) return;
  if (state === "next" && length === null && planned.healthy && planned.healthy > min) {
    yield { key: "healthy", words: `about ${span(planned.healthy)} if it is well`, kind: "" };
  }
  const differences = planned.differences ?? [], seen = differences.find(one => one.seen === true);
  if (seen) yield { key: "sees", words: `sees ${arrows(seen.name)} in about ${span(seen.seconds)}`, kind: "" };
  else if (differences.some(one => one.seen === false)) yield { key: "sees", words: "too short to see anything", kind: "warn" };
}
