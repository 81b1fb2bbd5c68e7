// Building the page. Whatever comes from outside becomes text: nothing here reads HTML.

// el("a", { href, class: "quiet", "aria-label": "…", onclick: f }, "text", [more, nodes], null)
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "href" || name === "src" || name === "action") node.setAttribute(name, safeAddress(value));
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...nodes(children));
  return node;
}

// Puts `children` in the place of everything that is in `node`.
export function replace(node, ...children) {
  node.replaceChildren(...nodes(children));
  node.removeAttribute("aria-busy");
  return node;
}

export const byId = (id) => document.getElementById(id);

function nodes(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

// An address that can run nothing.
export function safeAddress(address) {
  const { protocol } = new URL(address, location.href);
  return protocol === "https:" || protocol === "http:" ? address : "#";
}
