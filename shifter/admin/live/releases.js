// All releases, and a new one.
//
// Rule 1. What would come of a new one is asked of the proxy (dry_run) and shown before the button that starts it can be pressed.

import { $, attribute, keyed, make, text } from "./dom.js";
import { moment } from "./format.js";
import { planned } from "./release-plan.js";
import { refusal } from "./release-verbs.js";
import { kindOf, weight } from "./release-words.js";
import { ask, author, greet, link, say, unlock } from "./session.js";

const PAUSE = 2000;
const SLOW = 5000;
let timer = 0, written = false;

async function look() {
  clearTimeout(timer);
  let pause = PAUSE;
  try {
    const answer = await ask("GET", "/v1/releases");
    if (answer.ok) {
      greet();
      link("live");
      const told = await answer.json();
      list(Array.isArray(told) ? told : told.releases);
      if (!written) await propose();
    } else {
      link(answer.status === 401 ? "locked" : "connecting");
    }
  } catch {
    link("connecting");
    pause = SLOW;
  }
  timer = setTimeout(look, pause);
}

function list(releases) {
  const shown = [...releases].sort((one, two) => Number(one.over) - Number(two.over) || two.started - one.started);
  $("none").hidden = shown.some(one => !one.over);
  keyed($("releases"), shown, one => one.name, one => make("li", { class: "card" }, make("a", { href: `/release/${encodeURIComponent(one.name)}` }, one.name),
    make("span", { class: "state" }), make("span", { class: "how" }), make("p", { class: "words" }), make("p", { class: "about" })), (element, one) => {
    const [, state, how, words, about] = element.children;
    attribute(element, "data-kind", kindOf(one));
    text(state, one.state);
    text(how, one.over ? "" : [one.steps ? `step ${one.step} of ${one.steps.length ?? one.steps}` : "", weight(one.weight)].filter(Boolean).join(", "));
    text(words, (one.over ? one.reason : one.verdict) ?? one.reason ?? "");
    text(about, `${one.baseline} → ${one.canary} · ${one.route} · started ${moment(one.started)}`);
  });
  document.body.dataset.ready = "yes";
}

/** Write a release into the field that fits what is served. */
async function propose() {
  written = true;
  let route = null;
  try {
    const answer = await ask("GET", "/weights");
    const all = answer.ok ? await answer.json() : [];
    route = (Array.isArray(all) ? all : all.routes ?? []).find(one => one.clusters?.length > 1) ?? null;
  } catch {
    // without it the example is one
  }
  const names = route ? route.clusters.map(one => one.cluster ?? one.name) : ["service1", "service1a"];
  const heavy = route ? [...route.clusters].sort((one, two) => two.weight - one.weight).map(one => one.cluster ?? one.name) : names;
  const [baseline, canary] = heavy;
  if (!$("document").value) {
    const lines = [`name: ${canary}-${new Date().toISOString().slice(0, 10)}`, `route: ${JSON.stringify(route?.route ?? route?.name ?? "backend/prefix /service/1")}`,
      `baseline: ${baseline}`, `canary: ${canary}`, "steps:", ...[1, 5, 10, 50, 100].map(one => `- weight: ${one}`), ""];
    $("document").value = lines.join("\n");
  }
  text($("example"), `shifter release start ${baseline} ${canary} --steps 1,5,10,50,100`);
}

async function send(dry) {
  const parameters = new URLSearchParams([["source", "the page of releases"], ...(dry ? [["dry_run", "1"]] : [])]);
  for (const field of [$("by"), $("why")]) if (field.value.trim()) parameters.append(field.name, field.value.trim());
  author($("by").value.trim());
  const tell = (elements, bad) => {
    $("plan").classList.toggle("bad", Boolean(bad));
    $("plan").replaceChildren(...elements);
  };
  try {
    const answer = await ask("POST", `/v1/releases?${parameters}`, { headers: { "content-type": "application/yaml" }, body: $("document").value });
    if (!answer.ok) {
      $("begin").hidden = true;
      tell([make("pre", { tabindex: "0" }, await refusal(answer))], true);
      return;
    }
    const told = await answer.json();
    if (dry) {
      tell(planned(told));
      $("begin").hidden = false;
      $("begin").focus();
      return;
    }
    say("The release is started");
    location.assign(`/release/${encodeURIComponent(told.name)}`);
  } catch (error) {
    tell([make("p", {}, `The proxy cannot be reached: ${error.message}`)], true);
  }
}

$("by").value = author();
$("start").addEventListener("submit", event => {
  event.preventDefault();
  send(true);
});
$("begin").addEventListener("click", () => send(false));
$("document").addEventListener("input", () => { $("begin").hidden = true; });
unlock(look);
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
look();
