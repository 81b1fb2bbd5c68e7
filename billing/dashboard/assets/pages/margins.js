// Margins: what the provider took beside what was paid for the same images; what loses money comes first.

import { chart, legend } from "../chart.js";
import { get } from "../api.js";
import { save } from "../csv.js";
import { el, replace } from "../dom.js";
import { DASH, amount, dayUTC, money, number } from "../format.js";
import { byMonth } from "../months.js";
import { language } from "../page.js";
import { card, code, figure, moment } from "../parts.js";
import { empty, failure } from "../states.js";
import { table } from "../table.js";
import { plural, t } from "../texts.js";
import { uploading } from "../upload.js";

const REPORTS = "/v1/provider-reports";
const WORST = 8; // cells that are shown at once
const short = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", timeZone: "UTC" });
const own = (margin, currency) => margin.revenue.find((one) => one.currency === currency)?.micros ?? 0;

const revenue = (margin, written = amount) => (margin.revenue.length
  ? el("div", {}, margin.revenue.map((one) => el("div", {}, written(one.micros, one.currency)))) : written(0, "USD"));
const cost = (margin, currency) => (margin.cost_micros === null ? el("span", { class: "muted" }, t("margins.no_cost"))
  : el("span", {}, margin.shared_cost ? [el("abbr", { title: t("margins.shared") }, "≈"), " "] : null, amount(margin.cost_micros, currency)));
const left = (margin, currency) => (margin.margin_micros === null ? DASH
  : el("strong", { class: margin.loses ? "owed" : null }, amount(margin.margin_micros, currency)));
// Of the revenue of those days whose costs are known, which is margin and cost together.
const share = (margin) => {
  const earned = Number(margin.margin_micros) + Number(margin.cost_micros);
  return margin.margin_micros === null || earned <= 0 ? DASH
    : new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 }).format(Number(margin.margin_micros) / earned);
};

const columns = (currency, first = []) => [
  ...first,
  { label: t("margins.of"), cell: (one) => (one.model ? el("div", {}, el("code", { class: "nowrap" }, one.model),
    el("span", { class: "aside" }, `${one.size_tier} · ${one.quality}`)) : t("usage.total")) },
  { label: t("measure.images"), kind: "number", cell: (one) => el("div", {}, number(one.images),
    one.failed_images ? el("span", { class: "aside" }, plural("margins.failed", one.failed_images)) : null) },
  { label: t("charge.credits"), kind: "number", cell: (one) => el("div", {}, number(one.credits - one.returned_credits),
    one.returned_credits ? el("span", { class: "aside" }, plural("margins.returned", one.returned_credits)) : null) },
  { label: t("margins.revenue"), kind: "number", cell: (one) => revenue(one) },
  { label: t("margins.cost"), kind: "number", cell: (one) => cost(one, currency) },
  { label: t("margins.margin"), kind: "number", cell: (one) => left(one, currency) },
  { label: t("margins.share"), kind: "number", cell: share },
];
const day = { label: t("margins.day"), cell: (one) => el("time", { datetime: one.day }, dayUTC(one.day)) };

function figures({ total, provider, currency }) {
  const shown = [
    ["images", number(total.images), provider.usage_days ? t("margins.provider_images", { n: number(provider.images) }) : t("margins.no_usage")],
    ["revenue", revenue(total, money), t("margins.revenue.note")],
    ["cost", total.cost_micros === null ? DASH : money(total.cost_micros, currency),
      provider.unattributed_micros ? t("margins.left_over", { money: amount(provider.unattributed_micros, currency) }) : t("margins.cost.note")],
    ["margin", total.margin_micros === null ? DASH : money(total.margin_micros, currency),
      total.uncosted_images ? plural("margins.uncosted", total.uncosted_images) : t("margins.margin.note")],
  ];
  return el("div", { class: "figures tight" }, shown.map(([name, value, note]) => {
    const one = figure(t(`margins.${name}`), { tone: name !== "margin" ? "" : total.loses ? "bad" : "first" });
    replace(one.number, value);
    replace(one.note, note);
    return one.node;
  }));
}

function losing({ losing: cells, currency, total }) {
  if (total.margin_micros === null) return card(t("margins.losing"), el("p", { class: "notice" }, t("margins.unknown")));
  if (!cells.length) return card(t("margins.losing"), el("p", { class: "notice good" }, t("margins.none_losing")));
  const sheet = (rows) => table({ caption: t("margins.losing"), columns: columns(currency, [day]), rows }).node;
  const more = cells.slice(WORST);
  return card(t("margins.losing"),
    el("p", { class: "muted" }, plural("margins.losing.note", cells.length)),
    sheet(cells.slice(0, WORST)),
    more.length ? el("details", { class: "behind" }, el("summary", {}, plural("margins.more_losing", more.length)), sheet(more)) : null);
}

function differences({ differences: rows, provider }) {
  if (!provider.usage_days) return null;
  if (!rows.length) return card(t("margins.differences"), el("p", { class: "notice good" }, t("margins.no_differences")));
  return card(t("margins.differences"), table({
    caption: t("margins.differences"),
    rows,
    columns: [
      day,
      { label: t("margins.model"), cell: (one) => (one.model ? code(one.model) : t("margins.unnamed")) },
      { label: t("margins.tier"), cell: (one) => one.size_tier ?? t("margins.all_tiers") },
      { label: t("margins.they"), kind: "number", cell: (one) => number(one.provider_images) },
      { label: t("margins.we"), kind: "number", cell: (one) => el("div", {}, number(one.billed_images),
        one.failed_images ? el("span", { class: "aside" }, plural("margins.failed", one.failed_images)) : null) },
      { label: t("margins.difference"), kind: "number", cell: (one) => {
        const n = one.provider_images - one.billed_images;
        return el("strong", {}, plural(n > 0 ? "margins.unbilled" : "margins.unreported", Math.abs(n)));
      } },
    ],
  }).node);
}

// Revenue above the line, costs below it.
function over({ cells, currency }) {
  const byDay = Map.groupBy(cells, (cell) => cell.day);
  const days = [...byDay].map(([name, of]) => ({
    day: name,
    revenue: of.reduce((sum, cell) => sum + Number(own(cell, currency)), 0),
    cost: of.every((cell) => cell.cost_micros === null) ? null : of.reduce((sum, cell) => sum + Number(cell.cost_micros ?? 0), 0),
  }));
  if (!days.length) return null;
  const periods = days.map((one) => ({ short: short.format(new Date(`${one.day}T00:00:00Z`)), long: dayUTC(one.day) }));
  const series = [
    { label: t("margins.revenue"), values: days.map((one) => one.revenue / 1e6) },
    { label: t("margins.cost"), values: days.map((one) => -(one.cost ?? 0) / 1e6) },
  ];
  const says = (at) => (at === null ? t("usage.point") : [
    el("strong", {}, periods[at].long), ` · ${t("margins.revenue")}: ${amount(days[at].revenue, currency)}`,
    ` · ${t("margins.cost")}: ${days[at].cost === null ? t("margins.no_cost") : amount(days[at].cost, currency)}`,
    days[at].cost === null ? null : ` · ${t("margins.margin")}: ${amount(days[at].revenue - days[at].cost, currency)}`,
  ]);
  return card(t("margins.over", { currency }), chart({ label: t("margins.over", { currency }), periods, series, says, fractions: true }), legend(series),
    el("details", { class: "behind" }, el("summary", {}, t("usage.table")), table({
      caption: t("margins.over", { currency }),
      rows: days,
      columns: [
        day,
        { label: t("margins.revenue"), kind: "number", cell: (one) => amount(one.revenue, currency) },
        { label: t("margins.cost"), kind: "number", cell: (one) => (one.cost === null ? DASH : amount(one.cost, currency)) },
        { label: t("margins.margin"), kind: "number", cell: (one) => (one.cost === null ? DASH : amount(one.revenue - one.cost, currency)) },
      ],
    }).node));
}

function kinds({ kinds: rows, total, currency, cells, unpaid_credits: unpaid, free_credits: free }, period) {
  const names = ["day", "model", "size_tier", "quality", "images", "failed_images", "credits", "returned_credits", "cost_micros", "margin_micros"];
  return card(t("margins.kinds"),
    table({ caption: t("margins.kinds"), columns: columns(currency), rows, total }).node,
    el("p", { class: "actions" }, el("button", { type: "button", onclick: () => save(`margins-${period}.csv`, [
      [...names, `revenue_micros_${currency}`],
      ...cells.map((cell) => [...names.map((name) => cell[name]), own(cell, currency)]),
    ]) }, t("margins.save"))),
    el("p", { class: "muted" }, t("margins.shared.note"), " ",
      unpaid || free ? t("margins.worthless", { unpaid: number(unpaid), free: number(free) }) : ""));
}

function unattributed({ unattributed: rows, currency }) {
  return rows.length ? card(t("margins.unattributed"), table({
    caption: t("margins.unattributed"),
    rows,
    columns: [
      day,
      { label: t("margins.line_item"), cell: (one) => (one.line_item ? code(one.line_item) : t("margins.no_line_item")) },
      { label: t("margins.why"), cell: (one) => t(`margins.${one.reason}`) },
      { label: t("margins.cost"), kind: "number", cell: (one) => amount(one.cost_micros, currency) },
    ],
  }).node) : null;
}

const imports = el("div");
async function history() {
  try {
    const { data } = await get(REPORTS, { limit: 20 });
    replace(imports, data.length ? el("details", { class: "behind" }, el("summary", {}, t("margins.imports")), table({
      caption: t("margins.imports"),
      rows: data,
      columns: [
        { label: t("margins.imported"), cell: (one) => el("div", {}, moment(one.imported_at), el("span", { class: "aside" }, one.imported_by)) },
        { label: t("margins.file"), cell: (one) => one.files.map((file) =>
          el("div", {}, file.name === "body" ? null : file.name, el("span", { class: "aside" }, t("margins.sha256", { sha256: file.sha256.slice(0, 12) })))) },
        { label: t("margins.days"), cell: (one) => `${dayUTC(one.starts_at.slice(0, 10))} – ${dayUTC(new Date(new Date(one.ends_at) - 1).toISOString().slice(0, 10))}` },
        { label: t("measure.images"), kind: "number", cell: (one) => number(one.images) },
        { label: t("margins.cost"), kind: "number", cell: (one) => amount(one.cost_micros, one.currency) },
      ],
    }).node) : null);
  } catch (problem) {
    replace(imports, failure(problem));
  }
}

const bringing = uploading({
  label: t("margins.report"),
  hint: t("margins.report.hint"),
  accept: ".json,.jsonl,.ndjson,application/json,application/x-ndjson",
  multiple: true,
  path: REPORTS,
  query: () => ({ provider: "openai" }),
  type: () => "application/x-ndjson",
  button: t("margins.import"),
  said: (report) => el("p", { class: "notice good" }, t("margins.brought", {
    images: plural("unit.images", report.images), money: amount(report.cost_micros, report.currency), replaced: number(report.replaced) })),
  done: () => { history(); again(); },
});

history();
const again = await byMonth({
  after: card(t("margins.bring"), bringing.node, imports),
  build: async ({ period }) => {
    const found = await get("/v1/finance/margins", { period }, { wait: 60_000 });
    if (!found.cells.length && !found.provider.usage_days && !found.provider.cost_days) return card(null, empty(t("margins.nothing")));
    return [figures(found), losing(found), differences(found), over(found), kinds(found, period), unattributed(found)];
  },
});
