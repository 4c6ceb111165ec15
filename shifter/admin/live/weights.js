// Other weights for a route: looked at first, then set.
//
// Rule 1. What would change is asked of the proxy (dry_run) and shown before the button that does it can be pressed.
// Rule 2. It is the proxy that says which routes have weights that can be set, and what they are called.

import { $, make, text } from "./dom.js";
import { author } from "./session.js";

/** Return what puts the control of a route into its card; `ask(method, path)` asks the proxy. */
export function weights(ask) {
  return (place, route) => {
    place.control ??= new Control(place, ask);
    place.control.route = route;
  };
}

const called = route => (route.host ? `${route.host.name}/${route.name || route.match}` : `${route.listener.name}/${route.chain.stat_prefix}`);

class Control {
  constructor(place, ask) {
    this.ask = ask;
    this.button = make("button", { type: "button", "aria-expanded": "false", onclick: () => this.toggle() }, "Change weights");
    this.fields = make("div", { class: "fields" });
    this.by = make("input", { name: "by", autocomplete: "username", size: "14" });
    this.why = make("input", { name: "why", autocomplete: "off", size: "28" });
    this.said = make("div", { class: "said", role: "status" });
    this.set = make("button", { type: "button", class: "primary", hidden: true, onclick: () => this.send(false) }, "Set these weights");
    this.form = make("form", { class: "weights", hidden: true, onsubmit: event => { event.preventDefault(); this.send(true); }, oninput: () => this.forget() },
      this.fields,
      make("div", { class: "fields" }, make("label", {}, "Who ", this.by), make("label", {}, "Why ", this.why)),
      this.said,
      make("div", { class: "fields" }, make("button", { type: "submit" }, "See what would change"), this.set,
        make("button", { type: "button", onclick: () => this.toggle(false) }, "Cancel")));
    place.append(this.button, this.form);
  }

  toggle(open = this.form.hidden) {
    this.form.hidden = !open;
    this.button.setAttribute("aria-expanded", String(open));
    if (!open) {
      this.button.focus();
      return;
    }
    this.fields.replaceChildren(...this.route.to.map(entry =>
      make("label", {}, `${entry.cluster} `, make("input", { type: "number", min: "0", step: "1", required: true, name: entry.cluster, value: String(entry.weight) }))));
    this.by.value = author();
    this.forget();
    this.fields.querySelector("input").focus();
  }

  /** What was looked at is not what would be set any more. */
  forget() {
    this.set.hidden = true;
    this.tell([]);
  }

  tell(lines, kind = "") {
    this.said.className = `said ${kind}`;
    this.said.replaceChildren(...lines.map(line => make("p", {}, line.replaceAll(" -> ", " → "))));
  }

  async send(dry) {
    const parameters = new URLSearchParams([["route", called(this.route)]]);
    for (const field of this.fields.querySelectorAll("input")) parameters.append("cluster", `${field.name}=${field.value}`);
    if (this.by.value) parameters.append("by", this.by.value);
    if (this.why.value) parameters.append("why", this.why.value);
    if (dry) parameters.append("dry_run", "1");
    author(this.by.value);
    try {
      const answer = await this.ask("POST", `/weights?${parameters}`);
      const kind = answer.headers.get("content-type") ?? "";
      if (!kind.startsWith("application/json")) throw new Error((await answer.text()).trim() || `the proxy answers ${answer.status}`);
      const result = await answer.json();
      if (!result.taken) {
        this.tell(result.problems, "bad");
        return;
      }
      const lines = [...(result.change?.changes ?? []), ...result.warnings];
      if (dry) {
        this.tell(lines.length ? lines : ["Nothing would change."]);
        this.set.hidden = lines.length === 0;
        if (lines.length) this.set.focus();
        return;
      }
      this.toggle(false);
      text($("announce"), "The weights are set");
    } catch (error) {
      this.tell([error.message], "bad");
    }
  }
}
