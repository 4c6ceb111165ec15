// What the pages share: the token, the connection as it is shown, and what is said aloud.
//
// Rule 1. Only what matters is said aloud, and not more often than every few seconds.

import { $, text } from "./dom.js";

const TOKEN = "shifter-token";
const BY = "shifter-by";
const QUIET = 5000;
const WORDS = { connecting: "connecting", live: "live", locked: "locked", busy: "too many pages listen", again: "reconnecting", missing: "nothing there", over: "over" };

let greeted = false, spoken = 0, unsaid = "", hurry = () => {};

export function token() {
  try {
    return sessionStorage.getItem(TOKEN) ?? "";
  } catch {
    return "";
  }
}

/** Who wants changes, as they said last. */
export function author(name) {
  try {
    if (name !== undefined) localStorage.setItem(BY, name);
    return localStorage.getItem(BY) ?? "";
  } catch {
    return name ?? ""; // a browser that keeps nothing
  }
}

/** Ask the proxy. One that wants a token has the page ask for it. */
export async function ask(method, path, { headers = {}, body } = {}) {
  const shown = token() ? { authorization: `Bearer ${token()}` } : {};
  const answer = await fetch(path, { method, headers: { ...shown, ...headers }, body, cache: "no-store" });
  if (answer.status === 401) locked();
  return answer;
}

function locked() {
  text($("token-words"), token() ? "That token is not the one." : "");
  $("token-form").hidden = false;
}

/** From now on a connection that is lost is one that was there. */
export const greet = () => { greeted = true; };

export function say(words) {
  unsaid = words;
  const wait = Math.max(0, spoken + QUIET - Date.now());
  setTimeout(() => {
    if (!unsaid) return;
    text($("announce"), unsaid);
    unsaid = "";
    spoken = Date.now();
  }, wait);
}

/** Show what the stream says of the connection. */
export function link(state) {
  const shown = state === "connecting" && greeted ? "again" : state;
  if (shown === "locked") locked();
  if ($("link").dataset.state === shown) return;
  if (shown === "again") say("The connection to the proxy is lost; reconnecting");
  else if (shown === "live" && $("link").dataset.state === "again") say("Connected again");
  $("link").dataset.state = shown;
  text($("link-words"), WORDS[shown]);
  $("token-form").hidden = shown !== "locked";
  if (shown === "locked") $("token").focus();
}

/** Have the form take a token; `then` is called when there is another one. */
export function unlock(then) {
  hurry = then;
}

$("token-form").addEventListener("submit", event => {
  event.preventDefault();
  try {
    sessionStorage.setItem(TOKEN, $("token").value.trim());
  } catch {
    // a browser that keeps nothing: it will ask again
  }
  hurry();
});
