// What a release is, in words.

/** A weight in per cent, as people write it. */
export const weight = value => `${Number((value ?? 0).toFixed(4))} %`;

/** How it stands, as a colour: good, bad, warn (somebody may have to do something), or calm. */
export function kindOf({ state }) {
  if (state === "rolled back" || state === "rolling back") return "bad";
  if (state === "succeeded") return "good";
  return ["braked", "gated", "paused", "aborted", "superseded"].includes(state) ? "warn" : "calm";
}

/** How long, to the second: what takes minutes is watched. */
export function span(seconds) {
  const s = Math.max(0, Math.floor(seconds ?? 0));
  if (s < 60) return `${s} s`;
  if (s < 3600) return s % 60 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${s / 60} min`;
  const rest = Math.floor(s % 3600 / 60);
  return rest ? `${Math.floor(s / 3600)} h ${rest} min` : `${Math.floor(s / 3600)} h`;
}

/** An e-value: how often that much would come about by chance is one in so many. */
export function evidenceOf(value) {
  if (value === null || value === undefined) return "–";
  if (value >= 1e6) return "over a million";
  return value >= 10 ? Math.round(value).toLocaleString("en") : value.toFixed(1);
}

/** A number with its sign; `digits` after the point. */
export function signed(value, digits) {
  if (value === null || value === undefined) return "?";
  const words = Math.abs(value).toFixed(digits);
  return Number(words) === 0 ? words : `${value < 0 ? "−" : "+"}${words}`;
}

const EVENTS = {
  gate_waiting: "gate waits", gate_approved: "gate approved", gate_rejected: "gate rejected", rolling_back: "rolling back", rolled_back: "rolled back",
};

/** What kind of thing happened. */
export const happening = event => EVENTS[event] ?? event.replaceAll("_", " ");

/** A sentence as people read it. */
export const arrows = words => (words ?? "").replaceAll(" -> ", " → ");

/** What a check of a figure from elsewhere says: what it may be, what it is, how often in a row it was something else. */
export function checked({ name, min, max, failures, value, bad, problem }) {
  const bounds = [typeof min === "number" ? `${min} at least` : "", typeof max === "number" ? `${max} at most` : ""].filter(Boolean).join(", ");
  const now = typeof value === "number" ? `now ${Number(value.toPrecision(4))}` : "not known yet";
  return { words: `${name}: ${bounds}`, now: [now, bad ? `bad ${bad} of ${failures} times` : "", problem || ""].filter(Boolean).join(", "), near: Boolean(bad || problem) };
}
