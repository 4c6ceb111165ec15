// Where the versions differ, who else is asked and told, and what happened.

import { $, attribute, keyed, make, text } from "./dom.js";
import { count, moment, percent, plural } from "./format.js";
import { arrows, checked, happening, weight } from "./release-words.js";

const SHOWN = 60;
const ROWS = 12;
const NAMES = { shifter: "by itself", "": "by itself" };

export function details(release) {
  failures(release);
  differences(release);
  told(release);
  text($("source"), [release.source, `version ${release.version} of its story`].filter(Boolean).join(" · "));
  text($("spec"), release.spec);
}

function failures(release) {
  const { baseline, canary } = release;
  const all = version => release.statuses.reduce((sum, one) => sum + one[version], 0);
  const [before, since] = [all("baseline"), all("canary")];
  const share = (number, sum) => `${count(number)}${sum ? ` (${percent(number / sum)})` : ""}`;
  table($("statuses"), ["Status", baseline, canary], release.statuses, one => String(one.status), one => [
    one.status ? String(one.status) : "no answer", share(one.baseline, before), share(one.canary, since),
  ], "No answers yet.");
  table($("paths"), ["Path", baseline, canary], release.paths, one => one.path, one => [one.path, count(one.baseline), count(one.canary)], "Nothing failed.");
  const ids = release.failing.slice(0, ROWS);
  keyed($("failing"), ids.length ? ids : ["None."], id => id, id => make("li", {}, make(ids.length ? "code" : "span", {}, id)));
}

function table(place, titles, all, key, cells, nothing) {
  place.table ??= make("table", {}, make("thead", {}, make("tr", {}, titles.map(() => make("th", { scope: "col" })))), make("tbody"));
  place.nothing ??= make("p", { class: "about" }, nothing);
  if (!place.firstChild) place.append(place.table, place.nothing);
  place.table.hidden = all.length === 0;
  place.nothing.hidden = all.length > 0;
  titles.forEach((title, at) => text(place.table.tHead.rows[0].cells[at], title));
  keyed(place.table.tBodies[0], all.slice(0, ROWS), key, () => make("tr", {}, make("th", { scope: "row" }), titles.slice(1).map(() => make("td"))),
    (row, one) => cells(one).forEach((words, at) => text(row.cells[at], words)));
}

function differences({ differences: found, canary }) {
  $("differences-section").hidden = !found;
  if (!found) return;
  const { compared, different, noise, skipped } = found;
  text($("differences-words"), `${plural(compared, "answer")} of ${canary} compared: ${count(different)} differ (${percent(compared ? different / compared : null)}). `
    + `The old version differs from itself in ${count(noise)}; ${count(skipped)} could not be compared.`);
  table($("differences"), ["Path", "Compared", "Status", "Header fields", "Body"], found.paths, one => one.path, one => [
    one.path, count(one.compared), count(one.status), count(one.headers), count(one.body),
  ], "Nothing differs.");
  const examples = found.paths.flatMap(one => one.examples.map(words => ({ path: one.path, words }))).slice(0, ROWS);
  keyed($("examples"), examples, one => `${one.path} ${one.words}`, one => make("li", {}, make("code", {}, one.path), ` ${arrows(one.words)}`));
}

function told({ notifications, checks }) {
  const lines = checks.map((check, at) => {
    const { words, now, near } = checked(check);
    return { key: `check ${at}`, who: "asked", words: `${words}; ${now}${check.server ? ` (${check.server})` : ""}`, bad: near };
  });
  notifications.forEach(({ target, delivered, waiting, refused, problem }, at) => {
    const parts = [`${plural(delivered, "event")} delivered`, waiting ? `${count(waiting)} on the way` : "", refused ? `${count(refused)} refused` : ""];
    lines.push({ key: `told ${at}`, who: "told", words: `${target}: ${parts.filter(Boolean).join(", ")}${problem ? `; ${problem}` : ""}`, bad: Boolean(problem) });
  });
  $("told-section").hidden = lines.length === 0;
  keyed($("told"), lines, line => line.key, ({ who }) => make("li", {}, make("span", { class: "kind" }, who), make("span")), (element, { words, bad }) => {
    text(element.lastChild, words);
    element.classList.toggle("near", Boolean(bad));
  });
}

export function story(happened) {
  const shown = happened.slice(-SHOWN).reverse();
  keyed($("changes"), shown, one => one.number, one => {
    const time = make("time", { datetime: new Date(one.at * 1000).toISOString() }, moment(one.at));
    const moved = one.weight_before === one.weight ? "" : `${weight(one.weight_before)} → ${weight(one.weight)}`;
    const who = [NAMES[one.by] ?? `by ${one.by}`, one.why ? `“${one.why}”` : "", one.origin, one.step ? `step ${one.step}` : "", moved].filter(Boolean).join(" · ");
    return make("li", {}, time, make("span", { class: `kind ${one.event}` }, happening(one.event)),
      make("div", {}, make("p", {}, arrows(one.reason)), make("p", { class: "about" }, who)));
  });
  attribute($("changes"), "hidden", shown.length === 0);
}
