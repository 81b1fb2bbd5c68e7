// Periods: the months of the books, which of them are closed, and what came later.

import { read, write } from "../address.js";
import { get, post } from "../api.js";
import { el, replace } from "../dom.js";
import { DASH, amount, month, number } from "../format.js";
import { content, pagePathOf } from "../page.js";
import { badge, card, code, field, link, moment } from "../parts.js";
import { clear, refuse } from "../refusal.js";
import { fill } from "../states.js";
import { listing, table } from "../table.js";
import { t, word } from "../texts.js";

const PATH = "/v1/finance/periods";
const TONES = { open: "busy", closed: "good" };
const said = el("div", { "aria-live": "polite" });
const acts = el("div", { class: "pair" });
const list = el("div");
const late = el("div");

// A form that does something to a month and says what came of it.
function act(name, period, controls = []) {
  const button = el("button", { class: name === "close" ? "primary" : "danger" }, t(`periods.${name}`, { month: month(period) }));
  const wrong = el("div", { "aria-live": "polite" });
  const form = el("form", { class: "stacked" }, controls, el("div", { class: "actions" }, button), wrong);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clear(form);
    replace(wrong);
    button.disabled = true;
    try {
      const reason = form.elements.reason?.value.trim();
      await post(`${PATH}/${period}/${name}`, reason === undefined ? {} : { reason }, { wait: 120_000 });
      replace(said, el("p", { class: "notice good" }, t(`periods.${name}.done`, { month: month(period) })));
      await show();
    } catch (problem) {
      replace(wrong, refuse(form, problem));
      button.disabled = false;
    }
  });
  return form;
}

function closing(data) {
  const open = data.findLast((one) => one.status === "open");
  const over = open && open.period < new Date().toISOString().slice(0, 7);
  return card(t("periods.next"),
    over ? [el("p", { class: "muted" }, t("periods.close.note")), act("close", open.period)]
      : el("p", { class: "notice" }, open ? t("periods.running", { month: month(open.period) }) : t("periods.none")));
}

function reopening(data) {
  const last = data.find((one) => one.status === "closed");
  if (!last) return null;
  const reason = el("input", { name: "reason", required: true, maxlength: 512, autocomplete: "off" });
  return card(t("periods.again"), el("p", { class: "muted" }, t("periods.reopen.note")),
    act("reopen", last.period, [field(t("periods.reason"), reason)]));
}

function lately(period) {
  if (!period) return replace(late);
  return replace(late, card(t("periods.late_of", { month: month(period) }), el("p", { class: "muted" }, t("periods.late.note")), listing({
    path: `${PATH}/${encodeURIComponent(period)}/late`,
    caption: t("periods.late_of", { month: month(period) }),
    nothing: t("periods.no_late"),
    columns: [
      { label: t("periods.due"), cell: (one) => moment(one.effective_at) },
      { label: t("periods.posted"), cell: (one) => moment(one.posted_at) },
      { label: t("accounts.account"), cell: (one) => link(pagePathOf(one.account_id, "ledger"), code(one.account_id)) },
      { label: t("periods.kind"), cell: (one) => word("transfer", one.kind) },
      { label: t("periods.between"), cell: (one) => `${word("ledger_account", one.debit)} → ${word("ledger_account", one.credit)}` },
      { label: t("periods.amount"), kind: "number", cell: (one) => amount(one.amount, one.asset) },
    ],
  }).node));
}

const standing = (one) => el("div", {}, badge("period_status", one.status, TONES[one.status]),
  one.reopened_at && one.status === "open" ? el("span", { class: "aside soon" }, t("periods.reopened"), " ", moment(one.reopened_at), ` · ${one.reopened_by} · ${one.reopen_reason}`) : null);

async function show() {
  const { data } = await get(PATH);
  replace(acts, closing(data), reopening(data));
  replace(list, table({
    caption: t("periods.title"),
    rows: data,
    columns: [
      { label: t("period.month"), cell: (one) => month(one.period) },
      { label: t("charge.status"), cell: standing },
      { label: t("periods.closed_at"), cell: (one) => (one.closed_at ? el("div", {}, moment(one.closed_at), el("span", { class: "aside" }, one.closed_by)) : DASH) },
      { label: t("periods.late"), kind: "number", cell: (one) => (one.late_transfers
        ? el("a", { href: `?late=${one.period}`, onclick: (event) => { event.preventDefault(); write({ late: one.period }); lately(one.period); } }, number(one.late_transfers))
        : number(0)) },
      { label: t("periods.see"), cell: (one) => el("span", { class: "files" }, link(`/revenue?period=${one.period}`, t("revenue.title")), link(`/trial-balance?period=${one.period}`, t("trial_balance.title"))) },
    ],
  }).node);
}

addEventListener("popstate", () => lately(read(["late"]).late));
fill(content, async () => {
  await show();
  lately(read(["late"]).late);
  return [said, acts, card(t("periods.all"), list), late];
});
