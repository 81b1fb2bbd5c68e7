// Grants: those that can be spent, in the order in which they are, and all there ever were.

import { get } from "../api.js";
import { el } from "../dom.js";
import { DASH, credits, date, fromNow, money, number } from "../format.js";
import { expiry, left } from "../grant.js";
import { accountPath, content } from "../page.js";
import { badge, card, code, moment } from "../parts.js";
import { empty, fill } from "../states.js";
import { listing, table } from "../table.js";
import { t, word } from "../texts.js";

const named = (grant) => el("div", {}, code(grant.grant_id), el("span", { class: "aside" }, word("kind", grant.kind)));

const OPEN = [
  { label: t("grants.grant"), cell: named },
  { label: t("charge.status"), cell: (grant) => badge("grant", grant.status) },
  { label: t("grants.left"), cell: left },
  { label: t("grants.priority"), kind: "number", cell: (grant) => number(grant.priority) },
  { label: t("grants.expires"), cell: expiry },
];

const ALL = [
  { label: t("grants.created"), cell: (grant) => moment(grant.created_at) },
  { label: t("grants.grant"), cell: named },
  { label: t("charge.status"), cell: (grant) => badge("grant", grant.status) },
  { label: t("grants.granted"), kind: "number", cell: (grant) => number(grant.granted) },
  { label: t("grants.used"), kind: "number", cell: (grant) => el("div", {},
    number(grant.used),
    ["expired", "revoked", "moved"].filter((how) => grant[how]).map((how) =>
      el("span", { class: "aside" }, t(`grants.n_${how}`, { n: number(grant[how]) })))) },
  { label: t("grants.remaining"), kind: "number", cell: (grant) => number(grant.remaining) },
  { label: t("grants.expires"), cell: expiry },
  { label: t("grants.paid"), kind: "number", cell: ({ amount_paid: paid }) => (paid ? money(paid.micros, paid.currency) : DASH) },
];

function spendable(balance) {
  if (!balance.grants.length) return empty(t("overview.no_grants"));
  const next = balance.next_expiry;
  return [
    next && el("p", { class: "notice" }, t("overview.next_expiry", {
      credits: credits(next.credits), date: date(next.at), when: fromNow(next.at),
    })),
    table({ caption: t("grants.spendable"), rows: balance.grants, columns: OPEN }).node,
    balance.has_more_grants && el("p", { class: "muted" }, t("grants.more")),
  ];
}

fill(content, async () => {
  const balance = await get(accountPath("balance"));
  return [
    card(t("grants.spendable"), el("p", { class: "muted" }, t("grants.order")), spendable(balance)),
    card(t("grants.all"), listing({
      path: accountPath("grants"), caption: t("grants.all"), columns: ALL, nothing: t("grants.none"),
    }).node),
  ];
});
