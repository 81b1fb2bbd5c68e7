// Numbers that keep up: asked for again while the page is looked at, less often while nothing answers.

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
