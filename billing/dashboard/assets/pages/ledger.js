// Ledger: every transfer of the wallet, newest first, with the balance after it.

import { bind, dayEnd, dayStart, read } from "../address.js";
import { el, replace } from "../dom.js";
import { number } from "../format.js";
import { accountPath, content } from "../page.js";
import { card, choice, field, moment } from "../parts.js";
import { empty } from "../states.js";
import { listing } from "../table.js";
import { plural, t, word } from "../texts.js";
import { KINDS, belongs, changed, kind } from "../transfer.js";

const NAMES = ["kind", "from", "to"];
const queryOf = ({ kind: wanted, from, to }) => ({ kind: wanted, start: dayStart(from), end: dayEnd(to), order: "desc" });
const filtered = () => NAMES.some((name) => read(NAMES)[name]);

const form = el("form", { class: "filters", "aria-label": t("filter.title") },
  field(t("ledger.kind"), choice("kind", [["", t("filter.any")], ...KINDS.map((one) => [one, word("transfer", one)])])),
  field(t("filter.from"), el("input", { type: "date", name: "from" })),
  field(t("filter.to"), el("input", { type: "date", name: "to" })),
  el("div", { class: "actions" },
    el("button", {}, t("filter.apply")),
    el("button", { type: "button", class: "quiet", onclick: () => filters.clear() }, t("filter.clear"))));

const count = el("p", { class: "muted", "aria-live": "polite" });
const list = listing({
  path: accountPath("transfers"),
  caption: t("ledger.title"),
  columns: [
    { label: t("ledger.posted"), cell: (transfer) => el("div", {},
      moment(transfer.posted_at),
      transfer.effective_at === transfer.posted_at ? null : el("span", { class: "aside" }, t("ledger.effective"), " ", moment(transfer.effective_at))) },
    { label: t("ledger.seq"), kind: "number", cell: (transfer) => String(transfer.seq) },
    { label: t("ledger.kind"), cell: kind },
    { label: t("ledger.belongs"), cell: belongs },
    { label: t("ledger.change"), kind: "number", cell: changed },
    { label: t("ledger.balance"), kind: "number", cell: (transfer) => number(transfer.balance_after) },
  ],
  query: queryOf(read(NAMES)),
  nothing: () => empty(t(filtered() ? "ledger.none_match" : "ledger.none")),
  onload: (n, more) => replace(count, n ? plural(more ? "ledger.first" : "ledger.count", n) : ""),
});
const filters = bind(form, NAMES, (values) => list.reload(queryOf(values)));

replace(content,
  card(null, form),
  card(null, count, list.node),
  card(t("ledger.kinds"), el("dl", { class: "words" }, KINDS.map((one) =>
    el("div", {}, el("dt", {}, word("transfer", one)), el("dd", {}, word("transfer", `${one}.meaning`)))))));
