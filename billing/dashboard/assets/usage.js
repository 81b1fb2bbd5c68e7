// The report of usage, of one account or of all: filters in the address, a chart, and tables that say the same.

import { bind } from "./address.js";
import { get } from "./api.js";
import { chart, legend } from "./chart.js";
import { TOP, counted } from "./counts.js";
import { save } from "./csv.js";
import { el, replace } from "./dom.js";
import { number } from "./format.js";
import { account, content, language } from "./page.js";
import { card, choice, field, figure } from "./parts.js";
import { RANGES, WIDTHS, namer, span, widthOf } from "./ranges.js";
import { empty, failure, loading } from "./states.js";
import { table } from "./table.js";
import { capital, t, word } from "./texts.js";
import { zone as ownZone } from "./zone.js";

const FILTERS = ["model", "size_tier", "quality", "operation", "api_key_id", "end_user"];
const MEASURES = ["credits", "images", "failed_images", "requests"];
const NONE = "none";

// `dimensions`: what may be grouped by, `usual` first; `also`: filters beside those of one account.
export function report({ path, dimensions, usual, also = [], linked = null }) {
  const names = ["range", "from", "to", "width", "group", "measure", "tz", ...FILTERS, ...also];
  const form = controls({ dimensions, usual, also });
  const answer = el("div", { class: "stack", "aria-live": "off" });
  const notice = el("p", { class: "notice warn", role: "alert", hidden: true });
  let asking = null;

  async function show(values) {
    form.node.querySelector(".days").hidden = values.range !== "custom";
    const wrong = (text, control) => {
      for (const one of form.node.elements) one.removeAttribute("aria-invalid");
      control?.setAttribute("aria-invalid", "true");
      notice.hidden = !text;
      notice.textContent = text ?? "";
    };
    const zone = values.tz || ownZone;
    const range = span(values, zone);
    if (!range) return wrong(t("usage.reversed"), form.node.elements.to);
    wrong(null);
    const width = widthOf(values.width, values, range);
    const group = values.group === NONE ? null : dimensions.includes(values.group) ? values.group : usual;
    const measure = MEASURES.includes(values.measure) ? values.measure : "credits";
    const query = { start_time: range.start, end_time: range.end, bucket_width: width, tz: zone };
    for (const name of [...FILTERS, ...also]) query[name] = values[name];

    asking?.abort();
    asking = new AbortController();
    const { signal } = asking;
    replace(answer, loading());
    answer.setAttribute("aria-busy", "true");
    try {
      const found = await counted(path, query, group, signal);
      if (signal.aborted) return;
      const shown = { found, group, measure, width, linked };
      replace(answer, width !== values.width && values.width ? el("p", { class: "notice" }, t("usage.widened")) : null, drawn(shown));
    } catch (problem) {
      if (signal.aborted || problem.name === "AbortError") return;
      if (problem.facts.errors?.some(({ field: name }) => name === "tz")) {
        replace(answer);
        return wrong(t("usage.no_zone", { zone }), form.node.elements.tz);
      }
      replace(answer, problem.code === "validation_error" ? refused(problem) : failure(problem, () => show(values)));
    }
  }

  const address = bind(form.node, names, show);
  form.clear.addEventListener("click", address.clear);
  form.more.open = [...FILTERS, ...also].some((name) => address.values()[name]);
  replace(content, card(null, form.node, notice), answer);
  show(address.values());
}

const refused = (problem) =>
  el("div", { class: "notice bad", role: "alert" }, t("code.validation_error"), el("ul", {},
    (problem.facts.errors ?? []).map(({ field: name, message }) => el("li", {}, el("code", {}, name), ` ${message}`))));

function controls({ dimensions, usual, also }) {
  const options = (group, values) => values.map((value) => [value, t(`${group}.${value}`)]);
  const text = (name, list) => el("input", { name, list, autocomplete: "off", spellcheck: "false", maxlength: 256 });
  const lists = { model: new Set(), size_tier: new Set(), quality: new Set() };
  const nodes = Object.fromEntries(Object.keys(lists).map((name) => [name, el("datalist", { id: `known-${name}` })]));
  const zones = el("datalist", { id: "zones" }, (Intl.supportedValuesOf?.("timeZone") ?? []).map((value) => el("option", { value })));
  const others = dimensions.filter((name) => name !== usual);
  const clear = el("button", { type: "button", class: "quiet" }, t("filter.clear"));
  const more = el("details", { class: "more-filters" }, el("summary", {}, t("filter.title")),
    el("div", { class: "filters" },
      also.map((name) => field(capital(t(`dimension.${name}`)), text(name))),
      FILTERS.map((name) => field(capital(t(`dimension.${name}`)), name === "operation"
        ? choice(name, [["", t("filter.any")], ...["generation", "edit"].map((value) => [value, word("operation", value)])])
        : text(name, nodes[name]?.id))),
      el("div", { class: "actions" }, el("button", {}, t("filter.apply")), clear)));
  const node = el("form", { class: "stack", "aria-label": t("filter.title") },
    el("div", { class: "filters" },
      field(t("usage.range"), choice("range", [["", t("range.30d")], ...options("range", RANGES.filter((one) => one !== "30d"))])),
      field(t("usage.group"), choice("group", [["", t(`dimension.${usual}`)], ...options("dimension", others), [NONE, t("usage.no_group")]])),
      field(t("usage.measure"), choice("measure", [["", t("measure.credits")], ...options("measure", MEASURES.slice(1))])),
      field(t("usage.width"), choice("width", [["", t("width.auto")], ...options("width", WIDTHS)])),
      field(t("usage.zone"), el("input", { name: "tz", list: "zones", placeholder: ownZone, autocomplete: "off", spellcheck: "false", maxlength: 64 })), zones),
    el("div", { class: "filters days", hidden: true },
      field(t("filter.from"), el("input", { type: "date", name: "from" })),
      field(t("filter.to"), el("input", { type: "date", name: "to" }))),
    more, Object.values(nodes));

  get("/v1/price-books/current").then((book) => {
    for (const [name, { tiers, qualities }] of Object.entries(book.models)) {
      lists.model.add(name);
      tiers.forEach((tier) => lists.size_tier.add(tier.name));
      Object.values(qualities).forEach((quality) => lists.quality.add(quality));
    }
    for (const [name, values] of Object.entries(lists)) nodes[name].append(...[...values].map((value) => el("option", { value })));
  }, () => {}); // suggestions only
  return { node, clear, more };
}

function drawn({ found, group, measure, width, linked }) {
  if (!found.total.requests && !found.total.credits && !found.total.images) return empty(t("usage.none"));
  const name = namer(language, width);
  const label = ({ value, rest }) => (rest ? t("usage.rest") : value === null ? (group ? t(group === "size_tier" ? "usage.no_tier" : "usage.without") : t(`measure.${measure}`))
    : group === "operation" ? word("operation", value) : value);
  const series = found.series.map((one) => ({ ...one, label: label(one), values: one.counts.map((count) => Number(count[measure])) }));
  const periods = found.periods.map(({ clocks }) => ({ short: name.short(clocks), long: name.long(clocks) }));
  const title = group ? t("usage.by", { measure: t(`measure.${measure}`), group: t(`dimension.${group}`) }) : t(`measure.${measure}`);
  const says = (at) => (at === null ? t("usage.point") : [
    el("strong", {}, periods[at].long), " · ", `${t(`measure.${measure}`)}: ${number(found.counts[at][measure])}`,
    group ? series.filter((one) => one.values[at]).map((one) => el("span", {}, ` · ${one.label} ${number(one.counts[at][measure])}`)) : null,
  ]);

  const periodColumns = group
    ? [...series.map((one, place) => ({ label: one.label, value: (row) => row.each[place][measure] })),
      { label: t("usage.total"), value: (row) => row.sum[measure] }]
    : MEASURES.toReversed().map((each) => ({ label: t(`measure.${each}`), value: (row) => row.sum[each] }));
  const rows = found.periods.map(({ start }, at) => ({
    title: periods[at].long, start, sum: found.counts[at], each: series.map((one) => one.counts[at]),
  }));
  const totalRow = { title: t("usage.total"), start: null, sum: found.total, each: series.map((one) => one.total) };
  const byPeriod = {
    head: t("usage.period"),
    columns: periodColumns,
    rows,
    total: totalRow,
    first: (row) => row.title,
    saved: (row) => (row.start === null ? row.title : new Date(row.start * 1000).toISOString()),
  };
  const byGroup = group && {
    head: capital(t(`dimension.${group}`)),
    columns: MEASURES.toReversed().map((each) => ({ label: t(`measure.${each}`), value: (row) => row.total[each] })),
    rows: series,
    total: { label: t("usage.total"), total: found.total },
    first: (row) => (linked && row.value !== null && row.value !== undefined ? linked(row.value) : row.label),
    saved: (row) => row.label,
  };
  const file = `usage-${account ?? "all"}-${group ?? "total"}`;
  return [
    el("div", { class: "figures tight" }, MEASURES.map((each) => {
      const one = figure(t(`measure.${each}`), { tone: each === measure ? "first" : "" });
      one.number.textContent = number(found.total[each]);
      one.note.textContent = t(`measure.${each}.note`);
      return one.node;
    })),
    found.cut ? el("p", { class: "notice warn" }, t("usage.cut")) : null,
    card(title,
      chart({ label: t("usage.chart", { title, n: number(found.total[measure]) }), periods, series, says }),
      group ? legend(series) : null,
      series.at(-1)?.rest ? el("p", { class: "muted" }, t("usage.top", { n: TOP })) : null,
      el("details", { class: "behind" },
        el("summary", {}, t("usage.table")),
        sheet(title, byPeriod), saving(`${file}-${measure}.csv`, byPeriod))),
    byGroup && card(t("usage.groups", { group: t(`dimension.${group}`) }), sheet(t("usage.groups", { group: t(`dimension.${group}`) }), byGroup), saving(`${file}.csv`, byGroup)),
    el("p", { class: "muted" }, t("usage.refunds")),
  ];
}

const sheet = (caption, { head, columns, rows, total, first }) => table({
  caption,
  rows,
  total,
  columns: [
    { label: head, cell: first },
    ...columns.map(({ label, value }) => ({ label, kind: "number", cell: (row) => number(value(row)) })),
  ],
}).node;

function saving(file, { head, columns, rows, total, saved }) {
  return el("p", { class: "actions" }, el("button", { type: "button", onclick: () => save(file, [
    [head, ...columns.map(({ label }) => label)],
    ...[...rows, total].map((row) => [saved(row), ...columns.map(({ value }) => value(row))]),
  ]) }, t("usage.save")));
}
