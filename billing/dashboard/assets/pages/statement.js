// One month's statement, to read and to print. Times are in UTC, as on the files.

import { get } from "../api.js";
import { el } from "../dom.js";
import { month, number, signed } from "../format.js";
import { account, accountPath, content, ids, language, pagePath } from "../page.js";
import { card, code, facts, figure, link } from "../parts.js";
import { fill } from "../states.js";
import { statement } from "../statement.js";
import { table } from "../table.js";
import { capital, t } from "../texts.js";
import { belongs, changed, kind } from "../transfer.js";

const SHOWN = 2_000;
const utc = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23", timeZone: "UTC" });
const days = new Intl.DateTimeFormat(language, { dateStyle: "long", timeZone: "UTC" });
const at = (text) => el("time", { datetime: text }, utc.format(new Date(text)));
const path = accountPath("statements", ids.month);

const file = (format) => el("a", { class: "button", href: `${path}?format=${format}`, download: true }, format.toUpperCase());

function head(header, name) {
  const last = new Date(Date.parse(header.end) - 1);
  return card(null,
    el("div", { class: "actions" },
      el("button", { type: "button", class: "primary", onclick: () => print() }, t("statement.print")), file("json"), file("csv")),
    facts([
      [t("frame.account"), el("span", {}, code(account), name ? ` ${name}` : null)],
      [t("statement.period"), t("statement.from_to", { from: days.format(new Date(header.start)), to: days.format(last) })],
      [t("statement.issued"), at(header.issued_at)],
      [t("statements.movements"), number(header.count)],
    ]),
    header.complete ? null : el("p", { class: "notice warn" }, t("statement.running_note")));
}

function balances(header) {
  const three = [
    [t("statements.opening"), number(header.opening_balance)],
    [t("ledger.change"), signed(BigInt(header.closing_balance) - BigInt(header.opening_balance))],
    [t("statements.closing"), number(header.closing_balance)],
  ];
  return el("div", { class: "figures" }, three.map(([label, text]) => {
    const one = figure(label);
    one.number.textContent = text;
    one.note.textContent = t("statement.credits");
    return one.node;
  }));
}

function subtotals(rows) {
  const names = ["images", "failed_images", "settled_credits", "refunded_credits", "credits"];
  const total = Object.fromEntries(names.map((name) => [name, rows.reduce((sum, row) => sum + BigInt(row[name]), 0n)]));
  return card(t("statement.subtotals"), rows.length ? table({
    caption: t("statement.subtotals"),
    rows,
    total: { model: t("usage.total"), size_tier: "", quality: "", ...total },
    columns: [
      { label: capital(t("dimension.model")), cell: (row) => row.model },
      { label: capital(t("dimension.size_tier")), cell: (row) => row.size_tier ?? t("output.failed") },
      { label: capital(t("dimension.quality")), cell: (row) => row.quality },
      ...names.map((name) => ({ label: t(`statement.${name === "credits" ? "credits_net" : name}`), kind: "number", cell: (row) => number(row[name]) })),
    ],
  }).node : el("p", { class: "muted" }, t("statement.no_images")));
}

const totals = (rows) => card(t("statement.totals"), rows.length ? table({
  caption: t("statement.totals"),
  rows,
  columns: [
    { label: t("ledger.kind"), cell: kind },
    { label: t("statements.movements"), kind: "number", cell: (row) => number(row.movements) },
    { label: t("ledger.change"), kind: "number", cell: (row) => signed(row.change) },
  ],
}).node : el("p", { class: "muted" }, t("statement.no_movements")));

function movementsOf(header, movements) {
  if (!movements.length) return null;
  return card(t("statement.movements"),
    header.count > movements.length
      ? el("p", { class: "notice warn" }, t("statement.first", { n: number(movements.length), all: number(header.count) })) : null,
    table({
      caption: t("statement.movements"),
      rows: movements,
      columns: [
        { label: t("ledger.seq"), kind: "number", cell: (one) => String(one.seq) },
        { label: t("statement.posted"), cell: (one) => at(one.posted_at) },
        { label: t("ledger.kind"), cell: kind },
        { label: t("ledger.belongs"), cell: belongs },
        { label: t("ledger.change"), kind: "number", cell: changed },
        { label: t("ledger.balance"), kind: "number", cell: (one) => number(one.balance_after) },
      ],
    }).node);
}

const chain = (header) => card(t("statement.chain"),
  el("p", {}, t("statement.chain_text")),
  el("dl", { class: "words" }, [
    [t("statement.range"), header.count ? `${header.first_seq} – ${header.last_seq}` : "—"],
    [t("statement.hash_before"), code(header.hash_before)],
    [t("statement.hash_after"), code(header.hash_after)],
    [t("statement.key"), code(header.signature.kid)],
    [t("statement.signature"), code(header.signature.value)],
    [t("statements.verify"), el("code", {}, "billing verify-statement FILE")],
  ].map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))));

const heading = document.querySelector(".heading");
heading.prepend(el("p", { class: "crumb" }, link(pagePath("statements"), `← ${t("statements.title")}`)));

fill(content, async () => {
  const [{ name }, { header, movements }] = await Promise.all([get(accountPath()), statement(path, SHOWN)]);
  heading.querySelector("h1").replaceChildren(t("statement.of", { month: month(ids.month) }));
  document.title = `${t("statement.of", { month: month(ids.month) })} · ${account}`;
  return [head(header, name), balances(header), subtotals(header.subtotals), totals(header.totals), movementsOf(header, movements), chain(header)];
});
