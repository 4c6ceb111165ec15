// The configuration in use, as the proxy understood it; fetched when somebody asks for it.

import { $, make, text } from "./dom.js";
import { count } from "./format.js";

const MOST = 400_000;

export function configuration(get) {
  const pre = make("pre", { tabindex: "0", role: "region", "aria-label": "Active configuration" });
  const words = make("p", { class: "about", role: "status" });
  const part = make("select", { id: "configuration-part", onchange: () => show() });
  const search = make("input", { id: "configuration-filter", type: "search", autocomplete: "off", spellcheck: "false", oninput: () => show() });
  const fields = make("div", { class: "fields", hidden: true },
    make("label", { for: "configuration-part" }, "Part"), part, make("label", { for: "configuration-filter" }, "Only what holds"), search,
    make("button", { type: "button", onclick: () => load() }, "Load again"));
  pre.hidden = true;
  const details = make("details", { ontoggle: () => details.open && !parts.length && load() }, make("summary", {}, "Show the active configuration"), fields, words, pre);
  $("configuration").append(details);
  let parts = [];

  async function load() {
    text(words, "loading …");
    try {
      const answer = await get("/config_dump");
      if (!answer.ok) throw new Error(`the proxy answers ${answer.status}`);
      parts = [...named((await answer.json()).configs ?? [])];
      const chosen = part.value;
      part.replaceChildren(...parts.map(([name], at) => make("option", { value: String(at), selected: String(at) === chosen }, name)));
      fields.hidden = pre.hidden = false;
      show();
    } catch (error) {
      text(words, `It cannot be shown: ${error.message}`);
    }
  }

  function show() {
    const [, value] = parts[Number(part.value || 0)] ?? ["", null];
    const wanted = search.value.toLowerCase();
    const list = Array.isArray(value) && wanted ? value.filter(one => JSON.stringify(one).toLowerCase().includes(wanted)) : value;
    const all = JSON.stringify(list, null, 2) ?? "";
    const size = Array.isArray(list) ? `${count(list.length)} of ${count(value.length)}` : "";
    text(words, [size, all.length > MOST ? `the first ${count(MOST)} of ${count(all.length)} characters; /config_dump has all` : ""].filter(Boolean).join(" · "));
    text(pre, all.slice(0, MOST));
  }
}

/** The parts of a dump, by names for people: the whole, then each list. */
function* named(configs) {
  for (const config of configs) {
    const kind = (config["@type"] ?? "").split(".").pop().replace("ConfigDump", "");
    if (config.bootstrap) {
      yield ["Everything (bootstrap)", config.bootstrap];
      continue;
    }
    for (const [key, value] of Object.entries(config)) {
      if (Array.isArray(value)) yield [`${kind}: ${key.replaceAll("_", " ")}`, value];
    }
  }
}
