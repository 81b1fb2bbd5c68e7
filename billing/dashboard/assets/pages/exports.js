// Exports: the books as files, for a month or for all time, and what each file must come to.

import { address, download, get } from "../api.js";
import { el, replace } from "../dom.js";
import { amount, number, timeExactly } from "../format.js";
import { byMonth } from "../months.js";
import { card, code, facts, field } from "../parts.js";
import { failure } from "../states.js";
import { table } from "../table.js";
import { t, word } from "../texts.js";
import { refused } from "../upload.js";

const PATH = "/v1/finance/exports";
const ACCOUNTING = ["quickbooks", "xero"]; // they need to know how their accounts are called
const ACCOUNTS = {
  bank: "1000", stripe_clearing: "1010", disputed: "1020", deferred_revenue: "2100", revenue_usage: "4000", revenue_breakage: "4010",
  refunds: "4900", processor_fees: "6100", dispute_losses: "6200", rounding: "6900",
};
const reports = await get(PATH).then(({ data }) => data, (problem) => problem);
const account = el("input", { name: "account_id", maxlength: 64, autocomplete: "off", spellcheck: "false" });
const mapping = el("textarea", { name: "map", rows: 12, spellcheck: "false", class: "code" },
  `{\n${Object.entries(ACCOUNTS).map(([name, account]) => `  "${name}": ${JSON.stringify({ account, tax_rate: "Tax Exempt" })}`).join(",\n")}\n}`);

// What the file of this question comes to: rows, and sums by ledger account or kind.
function totals(report, query) {
  const answer = el("div", { "aria-live": "polite" });
  const ask = el("button", { type: "button", onclick: async () => {
    ask.disabled = true;
    try {
      const found = await get(`${PATH}/${report}/totals`, query, { wait: 120_000 });
      replace(answer, facts([
        [t("exports.as_of"), timeExactly(found.as_of)],
        [t("exports.rows"), number(found.rows)],
        found.images !== null && [t("measure.images"), number(found.images)],
        found.failed_images !== null && [t("measure.failed_images"), number(found.failed_images)],
        found.credits !== null && [t("charge.credits"), number(found.credits)],
      ]), found.ledger?.length ? table({
        caption: t("exports.totals"),
        rows: found.ledger,
        columns: [
          { label: t("trial_balance.account"), cell: (row) => word("ledger_account", row.ledger_account) },
          { label: t("exports.asset"), cell: (row) => code(row.asset) },
          { label: t("trial_balance.debits"), kind: "number", cell: (row) => amount(row.debits, row.asset) },
          { label: t("trial_balance.credits"), kind: "number", cell: (row) => amount(row.credits, row.asset) },
        ],
      }).node : null);
    } catch (problem) {
      replace(answer, failure(problem));
    }
    ask.disabled = false;
  } }, t("exports.totals"));
  return [el("p", { class: "actions" }, ask), answer];
}

function shown({ report, formats, columns }, query) {
  return card(word("export", report),
    el("p", { class: "muted" }, t(`export.${report}.note`)),
    el("p", { class: "actions" }, formats.filter(({ format }) => !ACCOUNTING.includes(format)).map(({ format }) =>
      el("a", { class: "button", download: "", href: address(`${PATH}/${report}`, { format, ...query }) },
        word("export_format", format), el("span", { class: "visually-hidden" }, ` ${word("export", report)}`)))),
    columns.length ? totals(report, query) : null,
    columns.length ? el("details", { class: "behind" }, el("summary", {}, t("exports.columns")), el("p", { class: "flags" },
      columns.map((column) => [code(column.name), " "]))) : null);
}

function accounting(query) {
  const answer = el("div", { "aria-live": "polite" });
  const button = (format) => el("button", { type: "button", onclick: async (event) => {
    event.target.disabled = true;
    try {
      await download(`${PATH}/journal`, { format, map: JSON.stringify(JSON.parse(mapping.value)), ...query }, `journal-${query.period ?? "all"}-${format}.csv`);
      replace(answer);
    } catch (problem) {
      replace(answer, problem instanceof SyntaxError ? el("p", { class: "notice bad", role: "alert" }, t("simulation.not_json")) : refused(problem));
    }
    event.target.disabled = false;
  } }, word("export_format", format));
  return card(t("exports.accounting"), el("p", { class: "muted" }, t("exports.accounting.note")),
    el("div", { class: "stack" }, field(t("exports.map"), mapping, { hint: t("exports.map.hint") }), el("p", { class: "actions" }, ACCOUNTING.map(button)), answer));
}

byMonth({
  every: t("exports.every"),
  fields: [[t("trial_balance.of_account"), account]],
  build: async ({ period, account_id: accountId }) => {
    if (reports instanceof Error) throw reports;
    const query = { period, account_id: accountId };
    return [reports.map((one) => shown(one, query)), accounting(query)];
  },
});
