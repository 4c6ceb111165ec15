// What changed, who changed it and why; and endpoints that turned ill or well.

import { $, attribute, keyed, make, text } from "./dom.js";
import { moment } from "./format.js";

const SHOWN = 30;
const LINES = 6;

export function changes(store) {
  const health = store.events.map(event => ({ key: `${event.when} ${event.address} ${event.health}`, when: event.when, event }));
  const restarts = store.restarts.map(when => ({ key: `restart ${when}`, when, restart: true }));
  const taken = store.changes.map(change => ({ key: `change ${change.number} ${change.when}`, when: change.when, change }));
  const all = [...taken, ...health, ...restarts].sort((one, two) => two.when - one.when).slice(0, SHOWN);
  keyed($("changes"), all, item => item.key, item => make("li", {}, time(item.when), ...body(item)));
  let empty = $("changes-empty");
  if (!empty) $("changes").after(empty = make("p", { id: "changes-empty", class: "note" }, "Nothing since the process began."));
  attribute(empty, "hidden", all.length > 0);
}

function time(when) {
  const element = make("time", { datetime: new Date(when * 1000).toISOString() });
  text(element, moment(when));
  return element;
}

function body({ change, event, restart }) {
  if (restart) return [make("span", { class: "kind restart" }, "restart"), make("div", {}, make("p", {}, "the process began"))];
  if (event) {
    const words = `${event.address} of ${event.cluster} is ${event.health}${event.why ? `: ${event.why}` : ""}`;
    return [make("span", { class: `kind health ${event.health}` }, "health"), make("div", {}, make("p", {}, words))];
  }
  const { actor } = change;
  const lines = change.changes.slice(0, LINES);
  if (change.changes.length > LINES) lines.push(`and ${change.changes.length - LINES} more`);
  const undoes = change.undoes ? `takes back change ${change.undoes}` : "";
  const who = [`by ${actor.by}`, actor.why ? `“${actor.why}”` : "", actor.origin, undoes, `configuration ${change.version}`].filter(Boolean).join(" · ");
  return [
    make("span", { class: `kind ${change.kind}` }, change.kind),
    make("div", {}, lines.length ? lines.map(line => make("p", {}, line.replaceAll(" -> ", " → "))) : make("p", {}, change.target), make("p", { class: "about" }, who)),
  ];
}
