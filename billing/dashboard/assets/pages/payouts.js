// Payouts: money that reached the bank beside the journal, what is missing, and what Stripe still keeps.

import { read, write } from "../address.js";
import { get } from "../api.js";
import { el, replace } from "../dom.js";
import { DASH, amount, number } from "../format.js";
import { byMonth } from "../months.js";
import { pagePathOf } from "../page.js";
import { badge, card, code, facts, link, moment } from "../parts.js";
import { empty, fill } from "../states.js";
import { listing, table } from "../table.js";
import { plural, t, word } from "../texts.js";

const PATH = "/v1/finance/payouts";
const TONES = { complete: "good", incomplete: "bad", by_hand: "plain", booked: "good", not_booked: "bad", differs: "bad", transfers_missing: "bad" };
const detail = el("div");
const accountLink = (id) => (id && id !== "_house" ? link(pagePathOf(id, "topups"), code(id)) : code(id));

// What Stripe keeps, in parts that sum to it.
function clearing({ currency, ...one }) {
  const off = one.incomplete_payouts.reduce((sum, payout) => sum + BigInt(payout.off_by_micros), 0n);
  const rows = [
    ["not_paid_out", one.not_paid_out_micros], ["not_settled", one.not_settled_micros],
    ["incomplete", off], ...(Number(one.unexplained_micros) ? [["unexplained", one.unexplained_micros]] : []),
  ].map(([name, micros]) => ({ name, micros }));
  const title = t("payouts.clearing", { currency });
  return card(title,
    table({
      caption: title,
      rows,
      total: { name: "balance", micros: one.balance_micros },
      columns: [
        { label: t("payouts.part"), cell: (row) => el("div", {}, t(`payouts.${row.name}`), el("span", { class: "aside" }, t(`payouts.${row.name}.note`))) },
        { label: currency, kind: "number", cell: (row) => amount(row.micros, currency) },
      ],
    }).node,
    one.incomplete_payouts.map((payout) => el("p", { class: "notice bad" },
      t("payouts.missing", { id: payout.payout_id, n: number(payout.missing_items), money: amount(payout.off_by_micros, currency) }), " ",
      payout.missing.map((id) => [code(id), " "]))),
    waiting(t("payouts.not_paid_out"), one.not_paid_out_count, one.not_paid_out, [
      { label: t("payouts.transaction"), cell: (item) => code(item.transaction_id) },
      { label: t("accounts.account"), cell: (item) => accountLink(item.account_id) },
      { label: t("payouts.event"), cell: (item) => item.event },
      { label: t("payouts.booked"), cell: (item) => moment(item.booked_at) },
      { label: currency, kind: "number", cell: (item) => amount(item.net_micros, currency) },
    ]),
    waiting(t("payouts.not_settled"), one.not_settled_count, one.not_settled, [
      { label: t("payouts.reference"), cell: (item) => code(item.external_id) },
      { label: t("accounts.account"), cell: (item) => accountLink(item.account_id) },
      { label: t("payouts.event"), cell: (item) => word("transfer", item.kind) },
      { label: t("payouts.booked"), cell: (item) => moment(item.effective_at) },
      { label: currency, kind: "number", cell: (item) => amount(item.micros, currency) },
    ]));
}

const waiting = (title, count, rows, columns) => (rows.length ? el("details", { class: "behind" },
  el("summary", {}, plural("payouts.first", rows.length, { title, count: number(count) })),
  table({ caption: title, rows, columns }).node) : null);

const list = (period) => listing({
  path: PATH,
  query: { period },
  caption: t("payouts.title"),
  nothing: t("payouts.none"),
  columns: [
    { label: t("payouts.payout"), cell: (one) => el("a", { href: `?payout=${encodeURIComponent(one.payout_id)}`, onclick: (event) => {
      event.preventDefault();
      write({ payout: one.payout_id });
      look(one.payout_id);
    } }, code(one.payout_id)) },
    { label: t("payouts.booked"), cell: (one) => (one.booked_at ? moment(one.booked_at) : t("payouts.unbooked")) },
    { label: t("charge.status"), cell: (one) => el("div", {}, badge("payout", one.status, TONES[one.status]),
      one.returned ? el("span", { class: "aside soon" }, t("payouts.returned")) : null) },
    { label: t("payouts.items"), kind: "number", cell: (one) => el("div", {}, number(one.items),
      one.wrong_items ? el("span", { class: "aside owed" }, plural("payouts.wrong", one.wrong_items)) : null) },
    { label: t("payouts.arrived"), kind: "number", cell: (one) => amount(one.arrived_micros, one.currency) },
  ],
}).node;

// A payout and what it consists of; what is wrong by itself if there is anything.
async function look(id) {
  if (!id) return replace(detail);
  await fill(detail, async () => {
    const one = await get(`${PATH}/${encodeURIComponent(id)}`, { limit: 1 });
    const items = (wrong) => listing({
      path: `${PATH}/${encodeURIComponent(id)}`,
      query: { wrong: wrong || null },
      caption: t("payouts.items_of", { id }),
      nothing: t("payouts.no_items"),
      columns: [
        { label: t("payouts.transaction"), cell: (item) => el("div", {}, code(item.transaction_id), el("span", { class: "aside" }, item.type)) },
        { label: t("accounts.account"), cell: (item) => (item.account_id ? accountLink(item.account_id) : DASH) },
        { label: t("charge.status"), cell: (item) => el("div", {}, badge("payout_item", item.status, TONES[item.status]),
          item.status === "not_booked" ? el("span", { class: "aside" }, t("payout_item.not_booked.hint")) : null) },
        { label: t("payouts.stripe_says"), kind: "number", cell: (item) => money(item.amount_micros, item.fee_micros, item.currency) },
        { label: t("payouts.we_booked"), kind: "number", cell: (item) => (item.booked_amount_micros === null ? DASH
          : money(item.booked_amount_micros, item.booked_fee_micros ?? 0, item.currency)) },
        { label: t("payouts.off_by"), kind: "number", cell: (item) => (Number(item.off_by_micros) ? el("strong", { class: "owed" }, amount(item.off_by_micros, item.currency)) : DASH) },
      ],
    }).node;
    return card(t("payouts.items_of", { id }), facts([
      [t("charge.status"), badge("payout", one.status, TONES[one.status])],
      [t("payouts.arrived"), amount(one.arrived_micros, one.currency)],
      [t("payouts.listed"), amount(one.listed_micros, one.currency)],
      [t("payouts.booked_sum"), amount(one.booked_micros, one.currency)],
    ]), one.wrong_items ? [el("p", { class: "notice bad" }, plural("payouts.wrong", one.wrong_items)), items(true)] : null,
    el("details", { class: "behind", open: !one.wrong_items }, el("summary", {}, t("payouts.all_items")), items(false)));
  });
  detail.scrollIntoView({ block: "nearest" });
}

const money = (micros, fee, currency) => el("div", {}, amount(micros, currency),
  Number(fee) ? el("span", { class: "aside" }, t("payouts.fee", { money: amount(fee, currency) })) : null);

addEventListener("popstate", () => look(read(["payout"]).payout));
await byMonth({
  every: t("payouts.every"),
  build: async ({ period }) => {
    const found = await get("/v1/finance/clearing", { period });
    return [
      el("p", { class: `notice ${found.ok ? "good" : "bad"}` }, t(found.ok ? "payouts.ok" : "payouts.not_ok")),
      found.currencies.length ? el("div", { class: "pair" }, found.currencies.map(clearing)) : card(null, empty(t("payouts.nothing"))),
      card(t("payouts.title"), list(period)),
      detail,
    ];
  },
});
look(read(["payout"]).payout);
