// Statements: the months there are, each to read, to print and to keep.

import { el, replace } from "../dom.js";
import { month, number, signed } from "../format.js";
import { accountPath, content, pagePath } from "../page.js";
import { badge, card, link } from "../parts.js";
import { listing } from "../table.js";
import { t } from "../texts.js";

const file = (one, format) => el("a", {
  href: `${accountPath("statements", one.month)}?format=${format}`,
  download: true,
  "aria-label": t("statements.download", { format: format.toUpperCase(), month: month(one.month) }),
}, format.toUpperCase());

const list = listing({
  path: accountPath("statements"),
  caption: t("statements.title"),
  nothing: t("statements.none"),
  columns: [
    { label: t("statements.month"), cell: (one) => el("div", {},
      link(pagePath("statements", one.month), month(one.month)),
      one.complete ? null : el("span", { class: "aside" }, badge("statement", "running", "busy"))) },
    { label: t("statements.opening"), kind: "number", cell: (one) => number(one.opening_balance) },
    { label: t("ledger.change"), kind: "number", cell: (one) => signed(one.closing_balance - one.opening_balance) },
    { label: t("statements.closing"), kind: "number", cell: (one) => number(one.closing_balance) },
    { label: t("statements.movements"), kind: "number", cell: (one) => number(one.movements) },
    { label: t("statements.files"), cell: (one) => el("span", { class: "files" }, file(one, "json"), file(one, "csv")) },
  ],
});

replace(content,
  card(null, el("p", { class: "muted" }, t("statements.utc")), list.node),
  card(t("statements.verify"), el("p", {}, t("statements.verify_text")), el("p", {}, el("code", {}, "billing verify-statement FILE"))));
