// The live page: what comes over /events is kept (store.js) and shown, once for every second's figures.
//
// What nobody can see is not drawn: a hidden tab only listens.

import { cards } from "./cards.js";
import { changes } from "./changes.js";
import { clusters } from "./clusters.js";
import { configuration } from "./configuration.js";
import { $, text } from "./dom.js";
import { overview } from "./overview.js";
import { picture } from "./picture.js";
import { ask, greet, link, say, token, unlock } from "./session.js";
import { Store } from "./store.js";
import { Stream } from "./stream.js";
import { assign } from "./tones.js";
import { weights } from "./weights.js";

const store = new Store();
const choice = { words: "", seconds: 300 };
let drawn = false, page = null;

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

const change = weights(ask);

const stream = new Stream({
  token,
  state: link,
  event(name, data) {
    if (name === "hello") {
      greet();
      page ??= data.page;
      $("updated").hidden = page === data.page;
    }
    link("live");
    const words = store.take(name, data);
    if (words) say(words);
    draw();
  },
});

unlock(() => stream.hurry());
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
