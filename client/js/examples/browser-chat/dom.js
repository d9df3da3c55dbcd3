// SPDX-License-Identifier: BSD-3-Clause
// Elements without a framework.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element: attributes, properties that begin with a point, handlers that begin with "on"; children are elements and texts.
 * @param {string} tag
 * @param {Record<string, any>} about
 * @param {...any} children
 */
export function h(tag, about = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(about)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name.startsWith(".")) made[name.slice(1)] = value;
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** One of the page's symbols. */
export function icon(name) {
  const made = document.createElementNS(SVG, "svg"), use = document.createElementNS(SVG, "use");
  made.setAttribute("class", "icon");
  made.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#${name}`);
  made.append(use);
  return made;
}

export const button = (label, name, onclick, about = {}) => h("button", { type: "button", "aria-label": label, title: label, onclick, ...about }, icon(name));

/** A dialog over the page, which goes when it is closed. */
export function dialog(title, ...children) {
  const made = h("dialog", { "aria-label": title, onclose: () => made.remove(), onclick: (event) => event.target === made && made.close() },
    h("div", { class: "sheet" }, h("header", {}, h("h2", {}, title), button("Close", "close", () => made.close())), ...children));
  document.body.append(made);
  made.showModal();
  return made;
}

/** A round picture for a name: its first letter on a colour that follows the id. */
export function avatar(name, user) {
  const made = h("span", { class: "avatar", "aria-hidden": "true" }, [...name][0]?.toUpperCase() ?? "?");
  made.style.setProperty("--hue", String(parseInt(user.slice(0, 4), 16) % 360));
  return made;
}

/** The children of an element, each under a name: what looks as before stays the same element, so that a press on it is not lost. */
export class Children {
  /** @param {Element} parent */
  constructor(parent) {
    this.parent = parent;
    this.held = new Map();
  }

  /** @param {{name: string, look: string, make: () => Element}[]} wanted */
  show(wanted) {
    const before = this.held;
    this.held = new Map(wanted.map(({ name, look, make }) => {
      const old = before.get(name);
      return [name, old?.look === look ? old : { look, element: make() }];
    }));
    [...this.held.values()].forEach(({ element }, at) => {
      if (this.parent.children[at] !== element) this.parent.insertBefore(element, this.parent.children[at] ?? null);
    });
    while (this.parent.childElementCount > this.held.size) this.parent.lastElementChild.remove();
  }
}
