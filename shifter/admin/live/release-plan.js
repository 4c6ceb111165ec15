// What a release would take, before it begins: a line for each step, and what it can see in that time.

import { make } from "./dom.js";
import { count, percent, rate } from "./format.js";
import { arrows, span } from "./release-words.js";

/** Return the elements that say what `plan` says. */
export function planned(plan) {
  const steps = Array.isArray(plan.steps) ? plan.steps : [];
  const names = [...new Set(steps.flatMap(step => (step.differences ?? []).map(one => one.name)))];
  const titles = ["Step", "New version", "Takes", "If it is well", ...names.map(name => `Sees ${arrows(name)}`)];
  const rows = steps.map(step => make("tr", {}, make("th", { scope: "row" }, step.title), ...[
    typeof step.rate === "number" ? `${rate(step.rate)}/s` : "–", takes(step), typeof step.healthy === "number" ? span(step.healthy) : "–",
    ...names.map(name => seen((step.differences ?? []).find(one => one.name === name))),
  ].map(words => make("td", {}, words))));
  const known = typeof plan.rate === "number" ? `At ${rate(plan.rate)} requests a second, of which ${percent(plan.error_rate)} fail` : "Nobody knows the rate of the requests yet";
  return [
    ...(plan.warnings ?? []).map(words => make("p", { class: "bad" }, words)),
    make("p", { class: "about" }, `${known}${plan.assumed ? " (as is usual)" : ""}. Beside each difference stands how many of the new version's requests it takes to see that; * is not before the step is over.`),
    make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Plan" },
      make("table", {}, make("thead", {}, make("tr", {}, titles.map(title => make("th", { scope: "col" }, title)))), make("tbody", {}, rows))),
    make("ul", { class: "notes" }, (plan.advice ?? []).map(words => make("li", {}, words))),
  ];
}

function takes({ least, most, gate }) {
  const time = most === least ? span(least) : `${span(least)} to ${typeof most === "number" ? span(most) : "any time"}`;
  return gate ? `${time}, gate ${gate}` : time;
}

function seen(one) {
  if (!one || typeof one.requests !== "number") return "–";
  return `${count(one.requests)}${typeof one.seconds === "number" ? `, ${span(Math.ceil(one.seconds))}` : ""}${one.seen === false ? " *" : ""}`;
}
