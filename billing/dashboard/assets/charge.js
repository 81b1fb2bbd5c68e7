// A charge as a row of a table: overview and charges show it alike.

import { el } from "./dom.js";
import { number, signed } from "./format.js";
import { badge, flags, link, moment } from "./parts.js";
import { pagePathOf } from "./page.js";
import { plural, t } from "./texts.js";

export const STATUSES = ["authorized", "settled", "voided", "expired"];
export const FLAGS = ["late", "forced", "overdrawn", "capped", "unmeasured", "unpriced_size", "unrequested"];

const failedOf = (charge) => charge.outputs.filter((output) => output.status === "failed").length;

export const asked = (charge) => `${charge.n} × ${charge.size} · ${charge.quality}`;
export const chargeLink = (charge) => link(pagePathOf(charge.account_id, "charges", charge.request_id), el("code", {}, charge.request_id));

// What came back: "2", "1 and 1 failed, not charged"
export function images(charge) {
  if (charge.status !== "settled") return "—";
  const failed = failedOf(charge);
  return [
    number(charge.outputs.length - failed),
    failed ? el("span", { class: "aside" }, plural("images.failed", failed)) : null,
  ];
}

// What reconciliation added to a bill or to an output's price, or took off it.
export const corrected = ({ corrected_credits: credits }) => (credits
  ? el("span", { class: "aside" }, t("cost.corrected", { n: signed(credits) }))
  : null);

// What it cost: the bill; what is held, while nothing is billed; what was corrected and refunded since.
export function cost(charge) {
  if (charge.status === "authorized") {
    return [el("span", { class: "muted" }, t("cost.held", { n: number(charge.held_credits) }))];
  }
  return [
    number(charge.settled_credits),
    corrected(charge),
    charge.refunded_credits
      ? el("span", { class: "aside" }, t("cost.refunded", { n: number(charge.refunded_credits) }))
      : null,
  ];
}

const statusAndFlags = (charge) => el("span", { class: "flags" },
  badge("status", charge.status), charge.flags.length ? flags(charge.flags) : null);

export const COLUMNS = [
  { label: t("charge.when"), cell: (charge) => moment(charge.authorized_at) },
  { label: t("charge.request"), cell: (charge) => el("div", {},
    chargeLink(charge),
    charge.end_user ? el("span", { class: "aside" }, charge.end_user) : null) },
  { label: t("charge.asked"), cell: (charge) => el("div", {}, charge.model, el("span", { class: "aside" }, asked(charge))) },
  { label: t("charge.images"), cell: (charge) => el("div", {}, images(charge)) },
  { label: t("charge.status"), cell: statusAndFlags },
  { label: t("charge.credits"), kind: "number", cell: (charge) => el("div", {}, cost(charge)) },
];
