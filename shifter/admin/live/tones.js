// The colour of a version: the same everywhere, and the same tomorrow.

const TONES = 8;
const KEY = "shifter-tones";

let known = {};
try {
  known = JSON.parse(localStorage.getItem(KEY)) ?? {};
} catch {
  // a browser that keeps nothing
}

/** Give every entry of routes with several a colour that its siblings do not have. */
export function assign(routes) {
  let fresh = false;
  for (const route of routes) {
    if (route.to.length < 2) continue;
    const names = route.to.map(entry => entry.cluster).sort();
    for (const name of names) {
      if (name in known) continue;
      const taken = new Set(names.map(sibling => known[sibling]));
      known[name] = [...Array(TONES).keys()].find(tone => !taken.has(tone)) ?? Object.keys(known).length % TONES;
      fresh = true;
    }
  }
  if (!fresh) return;
  try {
    localStorage.setItem(KEY, JSON.stringify(known));
  } catch {
    // as above
  }
}

export const tone = name => (name in known ? `tone-${known[name]}` : "tone-none");
