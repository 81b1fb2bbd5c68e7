// One charge: what was asked, what came back, what it cost, and why.

import { get, pages } from "../api.js";
import { asked, corrected } from "../charge.js";
import { el } from "../dom.js";
import { DASH, number, signed, size } from "../format.js";
import { countdown, live, redraw } from "../live.js";
import { accountPath, content, ids, pagePath } from "../page.js";
import { badge, card, code, facts, flags, link, moment } from "../parts.js";
import { empty, fill } from "../states.js";
import { table } from "../table.js";
import { known, plural, t, word } from "../texts.js";

const path = (...more) => accountPath("charges", ids.requestId, ...more);
const head = el("div", { class: "stack" });
const outputs = el("div");
const refunds = el("div");
const why = el("div");

async function look() {
  const charge = await get(path());
  const { balance, ...lasting } = charge;
  redraw(head, lasting, () => top(charge));
  redraw(outputs, charge.outputs.concat(charge.status), () => outputsOf(charge));
  const mark = [charge.status, charge.settled_credits, charge.corrected_credits, charge.refunded_credits];
  if (why.dataset.mark === mark.join()) return;
  const [explained, returned] = await Promise.all([get(path("explain")), all(path("refunds"))]);
  redraw(why, explained.steps, () => steps(explained.steps));
  redraw(refunds, returned, () => refundsOf(returned));
  why.dataset.mark = mark.join();
}

async function all(address) {
  const found = [];
  for await (const some of pages(address)) found.push(...some);
  return found;
}

function top(charge) {
  const billed = charge.status === "settled";
  return [
    card(null, el("div", { class: "summary" },
      el("div", { class: "verdict" }, badge("status", charge.status), el("p", {}, verdict(charge))),
      el("p", { class: "number big", "aria-live": "polite" },
        billed ? number(charge.settled_credits) : charge.status === "authorized" ? number(charge.held_credits) : "0",
        " ", el("small", { class: "muted" }, t(billed ? "charge.charged" : charge.status === "authorized" ? "charge.reserved" : "charge.charged")))),
      charge.flags.length ? el("ul", { class: "meanings" }, charge.flags.map((flag) =>
        el("li", {}, badge("flag", flag, "warn"), " ", known(`flag.${flag}.meaning`) ? t(`flag.${flag}.meaning`) : null))) : null),
    card(t("charge.details"), facts([
      [t("charge.model"), charge.model],
      [t("charge.asked"), asked(charge)],
      [t("charge.billed_quality"), charge.billed_quality],
      [t("charge.operation"), `${word("operation", charge.operation)}, ${word("mode", charge.mode)}`],
      [t("charge.quoted"), t("charge.quoted_in", { credits: number(charge.quoted_credits), tier: charge.quoted_tier })],
      charge.corrected_credits ? [t("charge.corrected"), signed(charge.corrected_credits)] : null,
      [t("charge.refunded"), number(charge.refunded_credits)],
      [t("charge.price_version"), number(charge.price_version)],
      [t("charge.when"), moment(charge.authorized_at)],
      charge.status === "authorized" ? [t("charge.time_left"), countdown(charge.expires_at)] : [t("charge.resolved"), moment(charge.resolved_at)],
      [t("charge.api_key"), charge.api_key_id],
      [t("charge.end_user"), charge.end_user],
    ])),
    Object.keys(charge.metadata).length
      ? card(t("charge.metadata"), facts(Object.entries(charge.metadata).map(([name, value]) => [code(name), String(value)])))
      : null,
  ];
}

function verdict(charge) {
  if (charge.status !== "settled") return t(`charge.is_${charge.status}`);
  const failed = charge.outputs.filter((output) => output.status === "failed").length;
  const delivered = charge.outputs.length - failed;
  return [delivered ? plural("charge.delivered", delivered) : t("charge.delivered_none"), failed ? plural("charge.failed", failed) : ""].join(" ").trim();
}

function outputsOf(charge) {
  if (!charge.outputs.length) return empty(t(charge.status === "authorized" ? "charge.no_outputs_yet" : "charge.no_outputs"));
  return table({
    caption: t("charge.outputs"),
    rows: charge.outputs,
    columns: [
      { label: t("output.index"), cell: (output) => number(output.index) },
      { label: t("charge.status"), cell: (output) => el("div", {},
        badge("output", output.status),
        output.reason ? el("span", { class: "aside" }, output.reason) : null) },
      { label: t("output.size"), cell: (output) => (output.status === "failed" ? DASH : size(output.width, output.height)) },
      { label: t("output.tier"), cell: (output) => output.size_tier ?? DASH },
      { label: t("charge.flags"), cell: (output) => flags(output.flags) },
      { label: t("charge.credits"), kind: "number", cell: (output) => el("div", {},
        output.status === "failed" ? el("span", { class: "muted" }, t("output.not_charged")) : number(output.credits),
        corrected(output),
        output.refunded_credits ? el("span", { class: "aside" }, t("cost.refunded", { n: number(output.refunded_credits) })) : null) },
    ],
  }).node;
}

function refundsOf(found) {
  if (!found.length) return empty(t("charge.no_refunds"));
  return table({
    caption: t("charge.refunds"),
    rows: found,
    columns: [
      { label: t("refund.when"), cell: (refund) => moment(refund.created_at) },
      { label: t("refund.id"), cell: (refund) => code(refund.refund_id) },
      { label: t("refund.reason"), cell: (refund) => refund.reason },
      { label: t("refund.to"), cell: (refund) => refund.returns.map(({ returned_to: to, credits }) =>
        el("div", {}, to ? code(to) : t("refund.debt"), ` ${signed(credits)}`)) },
      { label: t("charge.credits"), kind: "number", cell: (refund) => signed(refund.credits) },
    ],
  }).node;
}

function steps(found) {
  return el("ol", { class: "steps" }, found.map((step) => el("li", {},
    el("p", { class: "kind" }, word("step", step.kind)),
    el("p", {}, step.text),
    el("details", {}, el("summary", {}, t("step.facts")),
      el("dl", { class: "bare" }, Object.entries(step.facts).map(([name, value]) =>
        el("div", {}, el("dt", {}, el("code", {}, name)), el("dd", {}, el("code", {}, written(value))))))))));
}

const written = (value) => (typeof value === "bigint" ? String(value) : typeof value === "string" ? value : JSON.stringify(value));

const heading = document.querySelector(".heading");
heading.prepend(el("p", { class: "crumb" }, link(pagePath("charges"), `← ${t("charges.title")}`)));
heading.querySelector("h1").append(" ", el("code", {}, ids.requestId));

fill(content, async () => {
  await look();
  live(look);
  return [
    head,
    card(t("charge.outputs"), outputs),
    card(t("charge.why"), why),
    card(t("charge.refunds"), refunds),
  ];
});
