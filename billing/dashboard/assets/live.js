// Numbers that keep up: asked for again while the page is looked at, less often while nothing answers.

import { el, replace } from "./dom.js";
import { timeExactly, timeLeft } from "./format.js";

const SLOWEST_MS = 60_000;

// Runs `task` now and every `every` ms. Returns a function that asks at once.
export function live(task, { every = 2000 } = {}) {
  let timer = null;
  let wait = every;
  let running = false;

  async function turn() {
    clearTimeout(timer);
    if (running || document.hidden) return;
    running = true;
    try {
      await task();
      wait = every;
    } catch (error) {
      wait = Math.min(wait * 2, SLOWEST_MS);
      console.warn(error);
    } finally {
      running = false;
      timer = setTimeout(turn, wait);
    }
  }

  document.addEventListener("visibilitychange", turn);
  turn();
  return turn;
}

// Shows `text` in `node`, and marks it for a moment when it is another than before.
export function update(node, text) {
  if (node.textContent === text) return;
  const first = node.textContent === "" || node.dataset.shown === undefined;
  node.textContent = text;
  node.dataset.shown = "";
  if (!first) {
    node.classList.remove("changed");
    void node.offsetWidth; // so that the animation begins anew
    node.classList.add("changed");
  }
}

// Draws `node` anew only when `facts` are others than at the last time; the keyboard stays on the link it was on.
export function redraw(node, facts, build) {
  const now = JSON.stringify(facts, (key, value) => (typeof value === "bigint" ? String(value) : value));
  if (drawn.get(node) === now) return;
  drawn.set(node, now);
  const focused = node.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  replace(node, build());
  if (focused) node.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus();
}

const drawn = new WeakMap();

// The time left until `text`, counting down by itself.
export function countdown(text) {
  return el("time", { datetime: text, "data-until": text, title: timeExactly(text), class: "nowrap" }, timeLeft(text));
}

setInterval(() => {
  if (document.hidden) return;
  for (const node of document.querySelectorAll("[data-until]")) node.textContent = timeLeft(node.dataset.until);
}, 1000);
