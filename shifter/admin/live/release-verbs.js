// What people may do to a release, as the proxy says it; each is confirmed first.
//
// Rule 1. The proxy says which verbs fit, and refuses one that does not fit any more with a sentence, which is shown.
// Rule 2. What moves towards the new version is done to the release as it was seen (if-match); what moves away from it, whatever it is by now.

import { $, attribute, keyed, make, text } from "./dom.js";
import { weight } from "./release-words.js";
import { ask, author, say } from "./session.js";

const VERBS = {
  promote: { words: "Promote", title: () => "Go on before the verdict?", about: ({ canary }) => `${canary} gets more requests at once, whatever is known of it so far.`, ahead: true, to: true },
  resume: { words: "Resume", title: () => "Go on?", about: release => `Step ${release.step} goes on at its weight.`, ahead: true },
  pause: { words: "Pause", title: () => "Pause the release?", about: release => `The weight stays at ${weight(release.weight)}. The verdict goes on, and may still take the release back.` },
  brake: { words: "Brake", title: () => "Brake the release?", about: ({ canary }) => `${canary} gets about one request a second until it is clear how it does.` },
  retry: { words: "Retry", title: () => "Try again?", about: ({ canary }) => `The release begins again with its first step, and ${canary} gets requests again.`, ahead: true },
  undo: { words: "Undo", title: () => "Go back a step?", about: ({ canary }) => `The step before begins again, with what ${canary} got then, and is paused.` },
  finish: { words: "Finish", title: () => "Let go of the route?", about: release => `The release ends, and the route ${release.route} is what the file says. See below what to change in the file first.` },
  abort: { words: "Abort", title: () => "Abort the release?", about: ({ canary, baseline }) => `${canary} gets no new requests; those under way finish. All others go to ${baseline}.`, danger: true },
};
const GATE = {
  approve: { words: "Approve", title: ({ name }) => `Open the gate ${name}?`, about: "The release goes on.", ahead: true },
  reject: { words: "Reject", title: ({ name }) => `Say no at the gate ${name}?`, about: "The release is taken back.", danger: true },
};

let current = null;

/** Show a button for each verb that fits now. */
export function verbs(release) {
  current = release;
  const known = (release.verbs ?? []).filter(verb => verb in VERBS);
  keyed($("verbs"), Object.keys(VERBS).filter(verb => known.includes(verb)), verb => verb, verb => make("button", {
    type: "button", "data-verb": verb, class: VERBS[verb].danger ? "danger" : null, onclick: () => confirm(verb, VERBS[verb]),
  }, `${VERBS[verb].words}…`));
  attribute($("verbs"), "hidden", known.length === 0);
}

/** Do `work`; where the button that had the focus goes away in it, the focus stays nearby. */
export function keepingFocus(work) {
  const held = $("headline").contains(document.activeElement);
  work();
  if (held && !$("headline").contains(document.activeElement)) $("headline").focus();
}

/** Ask for an answer to the gate that waits, if one does. */
export function gate(release) {
  const step = release.evidence && release.steps.find(one => one.gate?.waiting);
  const asked = Boolean(step) && !release.over;
  attribute($("gate"), "hidden", !asked);
  keyed($("gate"), asked ? [step.gate] : [], one => one.name, one => make("div", { class: "gate-ask" }, make("p"), make("div", { class: "verbs" },
    Object.entries(GATE).map(([verb, { words, danger }]) => make("button", {
      type: "button", "data-verb": verb, class: danger ? "danger" : "primary", onclick: () => confirm(verb, GATE[verb], one.name),
    }, `${words}…`)))), (element, one) => {
    const who = one.kind === "webhook" ? "its webhook" : "somebody";
    text(element.firstChild, `Gate ${one.name} waits for ${who}${one.answer ? ` (“${one.answer}”)` : ""}.`);
  });
}

function confirm(verb, { words, title, about, ahead, danger, to }, gateName = null) {
  const release = current;
  const by = make("input", { name: "by", autocomplete: "username", size: "14", value: author() });
  const why = make("input", { name: "why", autocomplete: "off", size: "28" });
  const said = make("p", { class: "said bad", role: "alert" });
  const where = to ? target(release) : null;
  const dialog = $("confirm");
  const form = make("form", { method: "dialog", onsubmit: event => { event.preventDefault(); send(); } },
    make("h2", { id: "confirm-title" }, title(gateName === null ? release : { name: gateName })),
    make("p", {}, typeof about === "string" ? about : about(release)),
    where && make("label", {}, "To ", where),
    make("div", { class: "fields" }, make("label", {}, "Who ", by), make("label", {}, "Why (optional) ", why)),
    said,
    make("div", { class: "fields" }, make("button", { type: "submit", class: danger ? "danger" : "primary" }, words),
      make("button", { type: "button", onclick: () => dialog.close() }, "Cancel")));

  async function send() {
    const parameters = new URLSearchParams();
    if (where?.value === "full") parameters.append("full", "1");
    else if (where?.value) parameters.append("to", where.value);
    for (const field of [by, why]) if (field.value.trim()) parameters.append(field.name, field.value.trim());
    author(by.value.trim());
    const base = `/v1/releases/${encodeURIComponent(release.name)}`;
    const path = gateName === null ? `${base}/${verb}` : `${base}/gates/${encodeURIComponent(gateName)}/${verb}`;
    text(said, "");
    try {
      const answer = await ask("POST", `${path}?${parameters}`, { headers: ahead ? { "if-match": `"${release.version}"` } : {} });
      if (answer.ok) {
        dialog.close();
        say(`${words}: done`);
      } else {
        text(said, await refusal(answer));
      }
    } catch (error) {
      text(said, `The proxy cannot be reached: ${error.message}`);
    }
  }

  dialog.replaceChildren(form);
  dialog.showModal();
  (danger ? form.querySelector("button:not([type=submit])") : where ?? form.querySelector("[type=submit]")).focus();
}

/** What the proxy says when it does not do what was asked. */
export async function refusal(answer) {
  const words = await answer.text();
  if (answer.status === 401) return "The admin listener wants a token; the page asks for it above.";
  try {
    const problem = JSON.parse(words);
    return [problem.detail ?? problem.title ?? words, ...(problem.problems ?? []).filter(one => one !== problem.detail)].join("\n");
  } catch {
    return words.trim() || `The proxy answers ${answer.status}.`;
  }
}

function target(release) {
  const later = release.steps.filter(step => step.kind === "weight" && step.number > release.step);
  const options = later.map((step, at) => make("option", { value: at === 0 ? "" : String(step.weight) }, `${at === 0 ? "the next step, " : ""}${step.title}`));
  if (!later.length) options.push(make("option", { value: "" }, "the end of the release"));
  options.push(make("option", { value: "full" }, "all of it: 100 %, and no more steps"));
  return make("select", { name: "to" }, options);
}
