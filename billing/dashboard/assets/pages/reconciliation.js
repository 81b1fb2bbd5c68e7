// A reconciliation: its totals, then its kinds, then its lines; applied with a reason, and approved by another key.

import { bind, read } from "../address.js";
import { get, post } from "../api.js";
import { el, replace } from "../dom.js";
import { DASH, number, size } from "../format.js";
import { content, ids, language, pagePathOf } from "../page.js";
import { badge, card, choice, code, facts, field, figure, link, moment } from "../parts.js";
import { clear, refuse } from "../refusal.js";
import { ACTIONS, KINDS, OUTCOMES, difference, standing } from "../reconciliation.js";
import { fill } from "../states.js";
import { listing, table } from "../table.js";
import { plural, t, word } from "../texts.js";

const PATH = `/v1/reconciliations/${encodeURIComponent(ids.reconciliationId)}`;
const NAMES = ["kind", "action", "outcome", "account_id"];
const TONES = { posted: "good", refused: "bad", nothing: "plain" };
const top = el("div", { class: "stack" });
const said = el("div", { "aria-live": "polite" });

// Applying and approving: a reason, and what came of it.
function act(name) {
  const reason = el("input", { name: "reason", required: true, maxlength: 512, autocomplete: "off" });
  const button = el("button", { class: "primary" }, t(`reconciliation.${name}`));
  const wrong = el("div", { "aria-live": "polite" });
  const form = el("form", { class: "stacked" }, field(t("periods.reason"), reason, { hint: t("reconciliation.reason.hint") }),
    el("div", { class: "actions" }, button), wrong);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clear(form);
    replace(wrong);
    button.disabled = true;
    try {
      const one = await post(`${PATH}/${name}`, { reason: reason.value.trim() }, { wait: 600_000 });
      replace(said, el("p", { class: `notice ${one.state === "applied" ? "good" : "warn"}` }, t(`reconciliation.now.${one.state}`)));
      show(one);
      lines.reload(address.values());
    } catch (problem) {
      replace(wrong, refuse(form, problem));
      button.disabled = false;
    }
  });
  return form;
}

function doing(one) {
  if (one.state === "awaiting_approval") {
    return card(t("reconciliation.approval"), el("p", { class: "notice warn" }, t("reconciliation.awaits", { key: one.asked_by, credits: number(one.absolute_credits) })), act("approve"));
  }
  if (one.state === "applied" || !one.charges_to_post) return null;
  return card(t("reconciliation.apply"), el("p", { class: "muted" }, plural("reconciliation.apply.note", one.charges_to_post, { credits: difference(one.difference_credits) })), act("apply"));
}

function posted({ posted: sums }) {
  return sums && card(t("reconciliation.posted"), facts([
    [t("reconciliation.charges"), number(sums.charges)],
    [t("reconciliation.supplemented"), number(sums.supplemented_credits)],
    [t("reconciliation.reduced"), number(sums.reduced_credits)],
    [t("reconciliation.sum"), difference(sums.credits)],
    [t("reconciliation.refused"), number(sums.refused_lines)],
    [t("reconciliation.unneeded"), number(sums.unneeded_lines)],
  ]));
}

function figures(one) {
  const shown = [
    ["difference", difference(one.difference_credits), t("reconciliation.difference.note"), "first"],
    ["lines", number(one.lines), plural("reconciliation.of_rows", one.rows)],
    ["matched", number(one.matched_rows), plural("reconciliation.of_charges", one.charges)],
    ["person", number(one.for_a_person), t("reconciliation.person.note")],
  ];
  return el("div", { class: "figures tight" }, shown.map(([name, value, note, tone = ""]) => {
    const one = figure(t(`reconciliation.${name}`), { tone });
    replace(one.number, value);
    replace(one.note, note);
    return one.node;
  }));
}

function show(one) {
  replace(top,
    figures(one),
    card(null, facts([
      [t("charge.status"), standing(one)],
      [t("reconciliation.manifest"), one.manifest],
      [t("reconciliation.range"), one.start || one.end ? el("span", {}, moment(one.start), " – ", moment(one.end)) : t("reconciliation.no_range")],
      [t("accounts.account"), one.account_id ? code(one.account_id) : t("reconciliation.every_account")],
      [t("reconciliations.complete"), t(`reconciliations.complete.${one.complete}`)],
      [t("reconciliations.made"), el("span", {}, moment(one.created_at), ` · ${one.created_by}`)],
      one.asked_by && [t("reconciliation.asked"), el("span", {}, moment(one.asked_at), ` · ${one.asked_by} · ${one.reason}`)],
      one.approved_by && [t("reconciliation.approved"), el("span", {}, moment(one.approved_at), ` · ${one.approved_by} · ${one.approval_reason}`)],
      one.applied_at && [t("reconciliation.applied"), moment(one.applied_at)],
    ]), el("p", { class: "files" }, el("a", { href: `${PATH}/report?format=csv&lang=${language}`, download: "" }, t("reconciliation.csv")),
      el("a", { href: `${PATH}/report?format=json&lang=${language}`, download: "" }, t("reconciliation.json")))),
    doing(one),
    posted(one),
    one.by_kind.length ? card(t("reconciliation.kinds"), table({
      caption: t("reconciliation.kinds"),
      rows: one.by_kind,
      columns: [
        { label: t("reconciliation.kind"), cell: (row) => el("a", { href: `?kind=${row.kind}` }, word("reconciliation_kind", row.kind)) },
        { label: t("reconciliations.lines"), kind: "number", cell: (row) => number(row.lines) },
        { label: t("reconciliations.difference"), kind: "number", cell: (row) => difference(row.difference_credits) },
      ],
    }).node) : el("p", { class: "notice good" }, t("reconciliation.agrees")));
}

const picture = (status, width, height, tier, credits) => el("div", {},
  status === "succeeded" ? el("span", { class: "nowrap" }, size(width, height)) : status ? word("output", status) : DASH,
  el("span", { class: "aside" }, [tier, t("reconciliation.credits", { n: number(credits) })].filter(Boolean).join(" · ")));

const options = (group, values) => [["", t("filter.any")], ...values.map((value) => [value, word(group, value)])];
const form = el("form", { class: "filters", "aria-label": t("filter.title") },
  field(t("reconciliation.kind"), choice("kind", options("reconciliation_kind", KINDS))),
  field(t("reconciliation.action"), choice("action", options("reconciliation_action", ACTIONS))),
  field(t("reconciliation.outcome"), choice("outcome", options("reconciliation_outcome", OUTCOMES))),
  field(t("accounts.account"), el("input", { name: "account_id", maxlength: 64, autocomplete: "off", spellcheck: "false" })),
  el("div", { class: "actions" }, el("button", {}, t("filter.apply")), el("button", { type: "button", class: "quiet", onclick: () => address.clear() }, t("filter.clear"))));

let lines = null;
let address = null;
fill(content, async () => {
  show(await get(PATH));
  lines = listing({
    path: `${PATH}/lines`,
    query: read(NAMES),
    caption: t("reconciliation.all_lines"),
    nothing: t("reconciliation.no_lines"),
    columns: [
      { label: t("charge.request"), cell: (line) => el("div", {}, link(pagePathOf(line.account_id, "charges", line.request_id), code(line.request_id)),
        el("span", { class: "aside" }, line.index === null ? line.account_id : t("reconciliation.output", { account: line.account_id, index: line.index }))) },
      { label: t("reconciliation.kind"), cell: (line) => el("div", {}, word("reconciliation_kind", line.kind), el("span", { class: "aside" }, line.explanation)) },
      { label: t("reconciliation.charged"), cell: (line) => picture(line.charged_status, line.charged_width, line.charged_height, line.charged_tier, line.charged_credits) },
      { label: t("reconciliation.delivered"), cell: (line) => picture(line.delivered_status, line.delivered_width, line.delivered_height, line.delivered_tier, line.expected_credits) },
      { label: t("reconciliations.difference"), kind: "number", cell: (line) => el("strong", {}, difference(line.difference_credits)) },
      { label: t("reconciliation.outcome"), cell: (line) => el("div", {}, line.outcome ? badge("reconciliation_outcome", line.outcome, TONES[line.outcome]) : word("reconciliation_action", line.action),
        line.problem ? el("span", { class: "aside owed" }, line.problem) : null) },
    ],
  });
  address = bind(form, NAMES, (values) => lines.reload(values));
  return [said, top, card(t("reconciliation.all_lines"), form, lines.node)];
});
