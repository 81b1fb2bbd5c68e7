// Revenue: what a month has earned by currency, and how deferred revenue rolled forward through it.

import { get, post } from "../api.js";
import { el, replace } from "../dom.js";
import { amount, month, number, timeExactly } from "../format.js";
import { byMonth } from "../months.js";
import { pagePathOf } from "../page.js";
import { card, choice, code, figure, link } from "../parts.js";
import { empty, failure } from "../states.js";
import { listing, table } from "../table.js";
import { plural, t } from "../texts.js";

const SIGNS = { sold: 1n, recognised: -1n, breakage: -1n, refunded: -1n, disputed: -1n };
const NAMES = Object.keys(SIGNS);

const known = choice("known", ["", "close", "now"].map((value) => [value, t(`revenue.known.${value || "books"}`)]));
const account = el("input", { name: "account_id", maxlength: 64, autocomplete: "off", spellcheck: "false" });

// A statement whose lines add up, and which says so.
function rollForward({ currency, roll_forward: roll }, period) {
  const rows = [
    { name: "opening", value: BigInt(roll.opening), bold: true },
    ...NAMES.map((name) => ({ name, value: SIGNS[name] * BigInt(roll[name]) })),
  ];
  const sum = rows.reduce((total, row) => total + row.value, 0n);
  const title = t("revenue.roll_forward", { currency });
  return card(title, table({
    caption: title,
    rows,
    total: { name: "closing", value: BigInt(roll.closing), bold: true },
    columns: [
      { label: t("revenue.line"), cell: (row) => el("div", {}, row.bold ? el("strong", {}, t(`revenue.${row.name}`)) : t(`revenue.${row.name}`),
        el("span", { class: "aside" }, t(`revenue.${row.name}.note`, { month: month(period) }))) },
      { label: currency, kind: "number", cell: (row) => (row.bold ? el("strong", {}, amount(row.value, currency)) : amount(row.value, currency)) },
    ],
  }).node, sum === BigInt(roll.closing)
    ? el("p", { class: "notice good" }, t("revenue.adds_up"))
    : el("p", { class: "notice bad", role: "alert" }, t("revenue.off", { money: amount(BigInt(roll.closing) - sum, currency) })));
}

// What was due in one month and counts in another.
function moved({ currency, late, earlier }) {
  const rows = NAMES.map((name) => ({ name, late: late[name], earlier: earlier[name] })).filter((row) => Number(row.late) || Number(row.earlier));
  if (!rows.length) return null;
  const title = t("revenue.moved", { currency });
  return card(title, table({
    caption: title,
    rows,
    columns: [
      { label: t("revenue.line"), cell: (row) => t(`revenue.${row.name}`) },
      { label: t("revenue.late"), kind: "number", cell: (row) => amount(row.late, currency) },
      { label: t("revenue.earlier"), kind: "number", cell: (row) => amount(row.earlier, currency) },
    ],
  }).node);
}

function figures({ currency, revenue_usage_micros: usage, revenue_breakage_micros: breakage, roll_forward: roll }) {
  const shown = [["usage", usage, "first"], ["breakage_", breakage, ""], ["deferred", roll.closing, ""]];
  return shown.map(([name, micros, tone]) => {
    const one = figure(t(`revenue.figure.${name.replace("_", "")}`, { currency }), { tone });
    replace(one.number, amount(micros, currency));
    replace(one.note, t(`revenue.figure.${name.replace("_", "")}.note`));
    return one.node;
  });
}

function recognition(accounts) {
  const answer = el("div", { "aria-live": "polite" });
  const run = el("button", { type: "button", class: accounts ? "primary" : null, onclick: async () => {
    run.disabled = true;
    replace(answer, el("p", { class: "muted" }, t("revenue.running")));
    try {
      const done = await post("/v1/finance/recognition", {}, { wait: 600_000 });
      const sums = done.amounts.map((one) => t("revenue.ran.amount", {
        usage: amount(one.usage_micros, one.currency), breakage: amount(one.breakage_micros, one.currency) }));
      await again();
      replace(said, el("p", { class: "notice good" }, done.transfers ? plural("revenue.ran", done.transfers) : t("revenue.ran.nothing"), sums.length ? ` ${sums.join("; ")}.` : ""));
    } catch (problem) {
      replace(answer, failure(problem));
      run.disabled = false;
    }
  } }, t("revenue.run"));
  return card(t("revenue.recognition"),
    el("p", { class: accounts ? "notice" : "muted" }, accounts ? plural("revenue.unrecognised", accounts) : t("revenue.all_recognised")),
    el("p", { class: "actions" }, run), answer);
}

const byGrant = (period) => card(t("revenue.by_grant"), listing({
  path: "/v1/finance/revenue/grants",
  query: { period },
  caption: t("revenue.by_grant"),
  nothing: t("revenue.no_grants"),
  columns: [
    { label: t("accounts.account"), cell: (one) => link(pagePathOf(one.account_id), code(one.account_id)) },
    { label: t("revenue.grant"), cell: (one) => link(pagePathOf(one.account_id, "grants"), code(one.grant_id)) },
    { label: t("revenue.usage"), kind: "number", cell: (one) => amount(one.usage_micros, one.currency) },
    { label: t("revenue.breakage_of"), kind: "number", cell: (one) => amount(one.breakage_micros, one.currency) },
  ],
}).node);

const said = el("div", { "aria-live": "polite" });
const again = await byMonth({
  before: said,
  fields: [[t("revenue.known"), known], [t("trial_balance.of_account"), account]],
  build: async ({ period, known: wanted, account_id: accountId }) => {
    const found = await get("/v1/finance/revenue", { period, known: wanted, account_id: accountId });
    return [
      found.known_at ? el("p", { class: "muted" }, t("revenue.known_at", { time: timeExactly(found.known_at) })) : null,
      found.currencies.length ? el("div", { class: "figures" }, found.currencies.map(figures)) : card(null, empty(t("revenue.nothing"))),
      el("div", { class: "pair" }, found.currencies.map((one) => rollForward(one, period))),
      found.currencies.map(moved),
      accountId ? null : recognition(Number(found.unrecognised_accounts)),
      accountId ? null : byGrant(period),
    ];
  },
});
