// Trial balance: every ledger account at the end of a month, as it was known when the month was closed and as it is known
// now; or at any instant.

import { get } from "../api.js";
import { el } from "../dom.js";
import { amount, timeExactly } from "../format.js";
import { byMonth, months } from "../months.js";
import { card } from "../parts.js";
import { empty } from "../states.js";
import { table } from "../table.js";
import { t, word } from "../texts.js";

const PATH = "/v1/finance/trial-balance";
const ROUTE = ["wallet", "money"];
const at = el("input", { type: "datetime-local", name: "at", step: 1 });
const account = el("input", { name: "account_id", maxlength: 64, autocomplete: "off", spellcheck: "false" });

const key = (row) => `${row.book} ${row.asset} ${row.ledger_account}`;

// A table for each asset: what stands in it, and with `then` what stood in it when the month was closed.
function balances(now, then) {
  if (!now.rows.length) return card(null, empty(t("trial_balance.nothing")));
  const before = new Map((then?.rows ?? []).map((row) => [key(row), row.balance]));
  const groups = Map.groupBy(now.rows, (row) => `${row.book} ${row.asset}`);
  return [...groups].sort(([a], [b]) => ROUTE.indexOf(a.split(" ")[0]) - ROUTE.indexOf(b.split(" ")[0])).map(([name, rows]) => {
    const [book, asset] = name.split(" ");
    const title = t(`trial_balance.${book}`, { asset });
    const sum = (side) => rows.reduce((total, row) => total + BigInt(row[side]), 0n);
    const stood = (row) => BigInt(before.get(key(row)) ?? 0);
    const total = { ledger_account: null, debits: sum("debits"), credits: sum("credits"), balance: sum("debits") - sum("credits") };
    const changed = rows.some((row) => stood(row) !== BigInt(row.balance));
    return card(title, table({
      caption: title,
      rows,
      total,
      columns: [
        { label: t("trial_balance.account"), cell: (row) => (row.ledger_account ? el("div", {}, word("ledger_account", row.ledger_account),
          el("span", { class: "aside" }, el("code", {}, row.ledger_account))) : t("usage.total")) },
        { label: t("trial_balance.debits"), kind: "number", cell: (row) => amount(row.debits, asset) },
        { label: t("trial_balance.credits"), kind: "number", cell: (row) => amount(row.credits, asset) },
        ...(then ? [
          { label: t("trial_balance.at_close"), kind: "number", cell: (row) => (row.ledger_account ? amount(stood(row), asset) : amount(0, asset)) },
          { label: t("trial_balance.now"), kind: "number", cell: (row) => el("strong", {}, amount(row.balance, asset)) },
          { label: t("trial_balance.late"), kind: "number", cell: (row) => (row.ledger_account ? amount(BigInt(row.balance) - stood(row), asset) : amount(0, asset)) },
        ] : [{ label: t("trial_balance.balance"), kind: "number", cell: (row) => el("strong", {}, amount(row.balance, asset)) }]),
      ],
    }).node, then && !changed ? el("p", { class: "muted" }, t("trial_balance.same")) : null);
  });
}

byMonth({
  fields: [[t("trial_balance.instant"), at], [t("trial_balance.of_account"), account]],
  build: async ({ period, at: instant, account_id: accountId }) => {
    if (instant) {
      const found = await get(PATH, { at: new Date(instant).toISOString(), account_id: accountId });
      return [el("p", { class: "muted" }, t("trial_balance.as_at", { time: timeExactly(found.at) })), balances(found, null)];
    }
    const closed = (await months()).some((one) => one.period === period && one.status === "closed");
    const [now, then] = await Promise.all([
      get(PATH, { period, account_id: accountId }),
      closed ? get(PATH, { period, known: "close", account_id: accountId }) : null,
    ]);
    return [
      el("p", { class: "muted" }, then ? t("trial_balance.closed", { time: timeExactly(then.known_at) }) : t("trial_balance.open")),
      balances(now, then),
    ];
  },
});
