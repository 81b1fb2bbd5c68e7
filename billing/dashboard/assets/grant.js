// A grant in words: how much of it is left, and for how long.

import { el } from "./dom.js";
import { date, fromNow, number, timeExactly } from "./format.js";
import { t } from "./texts.js";

const SOON_MS = 14 * 86_400_000;

// A bar of what is left, with the numbers beside it.
export function left(grant) {
  const share = Number(grant.remaining) / Math.max(1, Number(grant.granted));
  return el("div", { class: "left" },
    el("meter", { min: 0, max: 1, value: share, "aria-label": t("grants.left") }),
    el("span", {}, t("grants.of", { left: number(grant.remaining), all: number(grant.granted) })));
}

// When it expires; soon is said so.
export function expiry(grant) {
  if (!grant.expires_at) return el("span", { class: "muted" }, t("grants.never"));
  const soon = new Date(grant.expires_at) - Date.now();
  return el("div", {},
    el("time", { datetime: grant.expires_at, title: timeExactly(grant.expires_at) }, date(grant.expires_at)),
    soon > 0 && soon < SOON_MS ? el("span", { class: "aside soon" }, fromNow(grant.expires_at)) : null);
}
