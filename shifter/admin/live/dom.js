// Making and changing elements.
//
// Rule 1. Text only ever becomes text: nothing here makes markup of what the proxy says.
// Rule 2. What has not changed is not touched, so that focus, selection and what a screen reader has read stay.

const SVG = "http://www.w3.org/2000/svg";

export const $ = id => document.getElementById(id);

/** Make an element. Keys of `given` that begin with "on" are listeners; null and false leave an attribute out. */
export function make(name, given = {}, ...children) {
  return filled(document.createElement(name), given, children);
}

export function draw(name, given = {}, ...children) {
  return filled(document.createElementNS(SVG, name), given, children);
}

function filled(element, given, children) {
  for (const [key, value] of Object.entries(given)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else attribute(element, key, value);
  }
  element.append(...children.flat().filter(child => child !== null && child !== undefined && child !== false));
  return element;
}

export function text(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

export function attribute(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else {
    const wanted = value === true ? "" : String(value);
    if (element.getAttribute(name) !== wanted) element.setAttribute(name, wanted);
  }
}

/** Have `parent` hold one child for each of `items`, in their order. Children are kept by key; `create` makes one, `update` brings it up to date. */
export function keyed(parent, items, key, create, update) {
  const known = parent.keyedChildren ??= new Map();
  const wanted = new Set();
  let place = parent.firstChild;
  for (const item of items) {
    const name = key(item);
    wanted.add(name);
    let child = known.get(name);
    if (!child) known.set(name, child = create(item));
    if (update) update(child, item);
    if (child === place) place = place.nextSibling;
    else parent.insertBefore(child, place);
  }
  for (const [name, child] of known) {
    if (!wanted.has(name)) {
      known.delete(name);
      child.remove();
    }
  }
}
