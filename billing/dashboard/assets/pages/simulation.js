// Price simulation: what was really delivered, billed again under prices that are not published yet.

import { get, post } from "../api.js";
import { el, replace } from "../dom.js";
import { DASH, number, signed } from "../format.js";
import { content, language, pagePathOf } from "../page.js";
import { card, code, field, figure, link } from "../parts.js";
import { clear, complain } from "../refusal.js";
import { empty, fill } from "../states.js";
import { table } from "../table.js";
import { plural, t, word } from "../texts.js";
import { refused } from "../upload.js";

const DAY = 86_400_000;
const PATH = "/v1/price-books/simulate";
const day = (moment) => new Date(moment).toISOString().slice(0, 10);
const percent = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1, signDisplay: "exceptZero" });

const from = el("input", { type: "date", name: "start", required: true, value: day(Date.now() - 30 * DAY) });
const to = el("input", { type: "date", name: "end", required: true, value: day(Date.now()) });
const candidate = el("textarea", { name: "candidate", rows: 16, spellcheck: "false", required: true, class: "code" });
const file = el("input", { type: "file", name: "file", accept: ".json,application/json" });
const send = el("button", { class: "primary" }, t("simulation.run"));
const answer = el("div", { class: "stack", "aria-live": "polite" });
const form = el("form", { class: "stacked" },
  el("div", { class: "filters" }, field(t("simulation.from"), from), field(t("simulation.to"), to), field(t("simulation.file"), file)),
  field(t("simulation.candidate"), candidate, { hint: t("simulation.candidate.hint") }),
  el("div", { class: "actions" }, send));

file.addEventListener("change", async () => {
  if (file.files.length) candidate.value = await file.files[0].text();
});

// What stands in the field: a book's document, or its models alone. Null where it is no JSON.
function book() {
  try {
    const found = JSON.parse(candidate.value);
    return found && typeof found === "object" && !Array.isArray(found) ? (found.models ? found : { models: found }) : null;
  } catch {
    return null;
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  clear(form);
  const wanted = book();
  if (!wanted) return complain(form, "candidate", t("simulation.not_json"));
  if (to.value < from.value) return complain(form, "end", t("usage.reversed"));
  send.disabled = true;
  replace(answer, el("p", { class: "muted" }, t("simulation.running")));
  try {
    const end = day(Date.parse(`${to.value}T00:00:00Z`) + DAY);
    const models = { models: wanted.models };
    const found = await post(PATH, { candidate: models, start: `${from.value}T00:00:00Z`, end: `${end}T00:00:00Z` }, { wait: 120_000 });
    replace(answer, shown(found));
    answer.scrollIntoView({ block: "start" });
  } catch (problem) {
    replace(answer, refused(problem));
  } finally {
    send.disabled = false;
  }
});

const share = (one) => (Number(one.credits_now) ? percent.format(Number(one.difference) / Number(one.credits_now)) : DASH);
const CHANGE = [
  { label: t("measure.images"), kind: "number", cell: (one) => number(one.images) },
  { label: t("simulation.now"), kind: "number", cell: (one) => number(one.credits_now) },
  { label: t("simulation.then"), kind: "number", cell: (one) => number(one.credits_then) },
  { label: t("simulation.difference"), kind: "number", cell: (one) => el("strong", {}, signed(one.difference)) },
  { label: t("simulation.share"), kind: "number", cell: share },
];
const ACCOUNT = { label: t("accounts.account"), cell: (one) => link(pagePathOf(one.account_id, "usage"), code(one.account_id)) };

function shown(found) {
  if (!found.total.images && !found.unpriced_images) return card(null, empty(t("simulation.nothing")));
  const figures = [
    ["now", number(found.total.credits_now), plural("unit.images", found.total.images)],
    ["then", number(found.total.credits_then), t("simulation.then.note")],
    ["difference", signed(found.total.difference), share(found.total)],
    ["customers", number(found.customers), t("simulation.customers.note", { winners: number(found.winners_count), losers: number(found.losers_count) })],
  ].map(([name, value, note]) => {
    const one = figure(t(`simulation.${name}`), { tone: name === "difference" ? "first" : "" });
    replace(one.number, value);
    replace(one.note, note);
    return one.node;
  });
  const side = (name) => card(t(`simulation.${name}`), found[name].length
    ? table({ caption: t(`simulation.${name}`), rows: found[name], columns: [ACCOUNT, ...CHANGE] }).node
    : el("p", { class: "muted" }, t("simulation.nobody")));
  return [
    el("div", { class: "figures tight" }, figures),
    found.unpriced_images ? card(t("simulation.unpriced"),
      el("p", { class: "notice warn" }, plural("simulation.unpriced.note", found.unpriced_images, { credits: number(found.unpriced_credits) })),
      table({
        caption: t("simulation.unpriced"),
        rows: found.unpriced,
        columns: [
          { label: t("margins.of"), cell: (one) => el("div", {}, el("code", { class: "nowrap" }, one.model), el("span", { class: "aside" }, `${one.size} · ${one.quality}`)) },
          { label: t("simulation.why"), cell: (one) => word("unpriced", one.code) },
          { label: t("measure.images"), kind: "number", cell: (one) => number(one.images) },
          { label: t("simulation.now"), kind: "number", cell: (one) => number(one.credits_now) },
        ],
      }).node) : null,
    side("losers"),
    side("winners"),
    card(t("simulation.cells"), table({
      caption: t("simulation.cells"),
      rows: found.cells,
      columns: [{ label: t("margins.of"), cell: (one) => el("div", {}, el("code", { class: "nowrap" }, one.model), el("span", { class: "aside" }, `${one.size_tier} · ${one.quality}`)) }, ...CHANGE],
    }).node),
  ];
}

fill(content, async () => {
  const { models } = await get("/v1/price-books/current");
  candidate.value = JSON.stringify({ models }, null, 2);
  return [card(t("simulation.prices"), form), answer];
});
