// The live page: what comes over /events is kept (store.js) and shown, once for every second's figures.
//
// Rule 1. What nobody can see is not drawn: a hidden tab only listens.
// Rule 2. Only what matters is said aloud, and not more often than every few seconds.

import { cards } from "./cards.js";
import { changes } from "./changes.js";
import { clusters } from "./clusters.js";
import { configuration } from "./configuration.js";
import { $, text } from "./dom.js";
import { overview } from "./overview.js";
import { picture } from "./picture.js";
import { Store } from "./store.js";
import { Stream } from "./stream.js";
import { assign } from "./tones.js";
import { weights } from "./weights.js";

const TOKEN = "shifter-token";
const QUIET = 5000;
const WORDS = { connecting: "connecting", live: "live", locked: "locked", busy: "too many pages listen", again: "reconnecting" };

const store = new Store();
const choice = { words: "", seconds: 300 };
let drawn = false, spoken = 0, unsaid = "", page = null, greeted = false;

const matches = route => !choice.words || [route.match, route.name ?? "", route.listener.name, route.host?.name ?? "", ...route.to.map(entry => entry.cluster)]
  .some(text => text.toLowerCase().includes(choice.words));
const matchesCluster = name => !choice.words || name.toLowerCase().includes(choice.words) || store.users(name).some(matches);

function render() {
  drawn = false;
  if (document.hidden || !store.hello) return;
  assign(store.routes);
  overview(store);
  const view = { ...choice, matches, matchesCluster, change };
  cards(store, view);
  picture(store, view);
  clusters(store, view);
  changes(store);
  document.body.dataset.ready = "yes";
}

function draw() {
  if (drawn) return;
  drawn = true;
  requestAnimationFrame(render);
}

function say(words) {
  unsaid = words;
  const wait = Math.max(0, spoken + QUIET - Date.now());
  setTimeout(() => {
    if (!unsaid) return;
    text($("announce"), unsaid);
    unsaid = "";
    spoken = Date.now();
  }, wait);
}

function link(state) {
  const shown = state === "connecting" && greeted ? "again" : state;
  if (shown === "locked") text($("token-words"), token() ? "That token is not the one." : "");
  if ($("link").dataset.state === shown) return;
  if (shown === "again") say("The connection to the proxy is lost; reconnecting");
  else if (shown === "live" && $("link").dataset.state === "again") say("Connected again");
  $("link").dataset.state = shown;
  text($("link-words"), WORDS[shown]);
  $("token-form").hidden = shown !== "locked";
  if (shown === "locked") $("token").focus();
}

function token() {
  try {
    return sessionStorage.getItem(TOKEN) ?? "";
  } catch {
    return "";
  }
}

const ask = (method, path) => fetch(path, { method, headers: token() ? { authorization: `Bearer ${token()}` } : {}, cache: "no-store" });
const change = weights(ask);

const stream = new Stream({
  token,
  state: link,
  event(name, data) {
    if (name === "hello") {
      greeted = true;
      page ??= data.page;
      $("updated").hidden = page === data.page;
    }
    link("live");
    const words = store.take(name, data);
    if (words) say(words);
    draw();
  },
});

$("token-form").addEventListener("submit", event => {
  event.preventDefault();
  try {
    sessionStorage.setItem(TOKEN, $("token").value.trim());
  } catch {
    // a browser that keeps nothing: it will ask again
  }
  stream.hurry();
});
$("reload-page").addEventListener("click", () => location.reload());
$("filter").addEventListener("input", event => {
  choice.words = event.target.value.trim().toLowerCase();
  draw();
});
for (const radio of document.querySelectorAll('input[name="window"]')) {
  radio.addEventListener("change", () => {
    choice.seconds = Number(radio.value);
    draw();
  });
  if (radio.checked) choice.seconds = Number(radio.value);
}
document.addEventListener("visibilitychange", draw);
document.addEventListener("click", draw);
configuration(path => ask("GET", path));
stream.run();
