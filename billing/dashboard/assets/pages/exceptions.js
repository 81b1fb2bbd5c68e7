// Exceptions: charges that carry a flag, in all accounts, and what each flag means.

import { bind, dayEnd, dayStart, read } from "../address.js";
import { COLUMNS, FLAGS } from "../charge.js";
import { el, replace } from "../dom.js";
import { content, pagePathOf } from "../page.js";
import { badge, card, choice, field, link } from "../parts.js";
import { empty } from "../states.js";
import { listing } from "../table.js";
import { plural, t, word } from "../texts.js";

const NAMES = ["flag", "account_id", "from", "to"];
const queryOf = ({ from, to, ...rest }) => ({ ...rest, flagged: true, start: dayStart(from), end: dayEnd(to) });

const form = el("form", { class: "filters", "aria-label": t("filter.title") },
  field(t("charge.flag"), choice("flag", [["", t("filter.any")], ...FLAGS.map((flag) => [flag, word("flag", flag)])])),
  field(t("accounts.account"), el("input", { name: "account_id", maxlength: 64, autocomplete: "off", spellcheck: "false" })),
  field(t("filter.from"), el("input", { type: "date", name: "from" })),
  field(t("filter.to"), el("input", { type: "date", name: "to" })),
  el("div", { class: "actions" },
    el("button", {}, t("filter.apply")),
    el("button", { type: "button", class: "quiet", onclick: () => filters.clear() }, t("filter.clear"))));

const count = el("p", { class: "muted", "aria-live": "polite" });
const list = listing({
  path: "/v1/charges",
  caption: t("exceptions.title"),
  columns: [
    { label: t("accounts.account"), cell: (charge) => link(pagePathOf(charge.account_id), el("code", {}, charge.account_id)) },
    ...COLUMNS,
  ],
  query: queryOf(read(NAMES)),
  nothing: () => empty(t("exceptions.none")),
  onload: (n, more) => replace(count, n ? plural(more ? "exceptions.first" : "exceptions.count", n) : ""),
});
const filters = bind(form, NAMES, (values) => list.reload(queryOf(values)));

replace(content,
  card(null, form),
  card(null, count, list.node),
  card(t("exceptions.meanings"), el("dl", { class: "words" }, FLAGS.map((flag) =>
    el("div", {}, el("dt", {}, badge("flag", flag, "warn")), el("dd", {}, word("flag", `${flag}.meaning`)))))));
