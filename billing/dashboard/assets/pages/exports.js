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
// Ours; its name in QuickBooks Online; its code and type in Xero.
const ACCOUNTS = [
  ["bank", "Credits:Bank clearing", "1000", "Current Asset"],
  ["stripe_clearing", "Credits:Stripe clearing", "1010", "Current Asset"],
  ["stripe_reserve", "Credits:Stripe reserve", "1015", "Current Asset"],
  ["disputed", "Credits:Disputed payments", "1020", "Current Asset"],
  ["other_business", "Credits:Other business", "1030", "Current Asset"],
  ["deferred_revenue", "Deferred revenue:Prepaid credits", "2100", "Current Liability"],
  ["revenue_usage", "Sales:Credits used", "4000", "Revenue"],
  ["revenue_breakage", "Sales:Credits expired", "4010", "Revenue"],
  ["refunds", "Sales:Refunds", "4900", "Revenue"],
  ["processor_fees", "Bank charges:Stripe fees", "6100", "Expense"],
  ["dispute_losses", "Bank charges:Lost disputes", "6200", "Expense"],
  ["rounding", "Other expenses:Rounding", "6900", "Expense"],
];
const NAMED = {
  quickbooks: ([ours, name]) => [ours, name],
  xero: ([ours, , account, type]) => [ours, { account, tax_rate: "Tax Exempt", account_type: type }],
};
const reports = await get(PATH).then(({ data }) => data, (problem) => problem);
const account = el("input", { name: "account_id", maxlength: 64, autocomplete: "off", spellcheck: "false" });
const mappings = Object.fromEntries(ACCOUNTING.map((format) => [format, el("textarea",
  { name: format, rows: 12, spellcheck: "false", class: "code" },
  `{\n${ACCOUNTS.map(NAMED[format]).map(([name, named]) => `  "${name}": ${JSON.stringify(named)}`).join(",\n")}\n}`)]));

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

// As many files as the other program takes it in, all as of the same instant.
async function inParts(format, query) {
  const asked = { format, map: JSON.stringify(JSON.parse(mappings[format].value)), ...query };
  const { as_of: asOf, parts } = await get(`${PATH}/journal/totals`, asked, { wait: 120_000 });
  const name = `journal-${query.period ?? "all"}-${format}`;
  for (let part = 1; part <= parts; part++) {
    await download(`${PATH}/journal`, { ...asked, part, as_of: asOf }, parts === 1 ? `${name}.csv` : `${name}-${part}.csv`);
  }
}

function accounting(query) {
  const answer = el("div", { "aria-live": "polite" });
  const button = (format) => el("button", { type: "button", onclick: async (event) => {
    event.target.disabled = true;
    try {
      await inParts(format, query);
      replace(answer);
    } catch (problem) {
      replace(answer, problem instanceof SyntaxError ? el("p", { class: "notice bad", role: "alert" }, t("simulation.not_json")) : refused(problem));
    }
    event.target.disabled = false;
  } }, word("export_format", format));
  return card(t("exports.accounting"), el("p", { class: "muted" }, t("exports.accounting.note")), el("div", { class: "stack" },
    ACCOUNTING.map((format) => [
      field(t("exports.map", { program: word("export_format", format) }), mappings[format], { hint: t(`exports.map.${format}`) }),
      el("p", { class: "actions" }, button(format))]), answer));
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
