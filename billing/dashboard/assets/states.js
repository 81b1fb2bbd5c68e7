// What stands where there is nothing to show: not yet, nothing at all, or not this time.

import { el, replace } from "./dom.js";
import { known, t } from "./texts.js";

export const loading = () => el("p", { class: "state" }, t("state.loading"));

export function empty(text, ...more) {
  return el("div", { class: "state" }, el("p", {}, text), more);
}

// What a Problem says; with `retry` a button to try once more.
export function failure(problem, retry = null) {
  const text = known(`code.${problem.code}`) ? t(`code.${problem.code}`, problem.facts) : problem.message;
  return el(
    "div",
    { class: "state notice bad", role: "alert" },
    el("p", {}, text),
    retry && el("button", { type: "button", onclick: retry }, t("state.retry")),
  );
}

// Fills `node` with what `build` resolves to, saying meanwhile that it is being loaded, and afterwards what went wrong.
export async function fill(node, build) {
  replace(node, loading());
  node.setAttribute("aria-busy", "true");
  try {
    replace(node, await build());
  } catch (problem) {
    if (problem.name === "AbortError") return;
    console.warn(problem);
    replace(node, failure(problem, () => fill(node, build)));
  }
}
