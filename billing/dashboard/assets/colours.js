// Colours of the stylesheet as they are at this moment, for what is drawn on a canvas.

import { el } from "./dom.js";

const probe = el("span", { hidden: true });
document.body.append(probe);

// colour("--chart-1") → "rgb(…)". Ask again at `themechange`.
export function colour(property) {
  probe.style.color = `var(${property})`;
  return getComputedStyle(probe).color;
}

// Calls `redraw` whenever the colours may have changed.
export function onThemeChange(redraw) {
  addEventListener("themechange", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}
