// Auto-recharge: its terms, how it stands, and turning it on and off.

import { get, getOr, put, remove } from "../api.js";
import { el, replace } from "../dom.js";
import { credits, money, month, number } from "../format.js";
import { accountPath, content, pagePath, role } from "../page.js";
import { badge, card, choice, code, facts, field, link, moment } from "../parts.js";
import { clear, refuse } from "../refusal.js";
import { empty, failure, fill } from "../states.js";
import { known, plural, t } from "../texts.js";

const MAY_BUY = ["admin", "account"].includes(role);
const path = accountPath("auto-recharge");
const FIELDS = { pack_not_found: "pack_id" };

function standing(terms, packs) {
  if (!terms) return card(t("recharge.state"), empty(t("recharge.never")));
  const pack = packs.find((one) => one.pack_id === terms.pack_id);
  const why = terms.stopped_reason && (known(`stopped.${terms.stopped_reason}`) ? t(`stopped.${terms.stopped_reason}`) : t("recharge.declined", { reason: terms.stopped_reason }));
  return card(t("recharge.state"),
    el("p", {}, badge("recharge", terms.status, { active: "good", stopped: "bad" }[terms.status]), " ", t(`recharge.${terms.status}.meaning`)),
    why ? el("p", { class: `notice ${terms.status === "stopped" ? "bad" : "warn"}` }, why) : null,
    terms.topup_id ? el("p", { class: "notice" }, t("recharge.in_flight")) : null,
    facts([
      [t("recharge.threshold"), credits(terms.threshold)],
      [t("topups.pack"), pack ? t("recharge.pack", { name: pack.name, credits: credits(pack.credits), price: money(pack.price.micros, pack.price.currency) }) : code(terms.pack_id)],
      [t("recharge.monthly_limit"), credits(terms.monthly_limit)],
      [t("recharge.month", { month: month(new Date().toISOString().slice(0, 7)) }), t("grants.of", { left: number(terms.month_credits), all: number(terms.monthly_limit) })],
      [t("recharge.card"), terms.payment_method ? code(terms.payment_method) : t("recharge.last_card")],
      terms.declines ? [t("recharge.declines"), number(terms.declines)] : null,
      [t("recharge.changed"), moment(terms.changed_at)],
    ]));
}

function changing(terms, packs, again) {
  if (!MAY_BUY) return card(t("recharge.change"), el("p", { class: "muted" }, t("recharge.not_you")));
  const active = terms?.status === "active";
  const offered = packs.map((one) => [one.pack_id, t("recharge.pack", { name: one.name, credits: credits(one.credits), price: money(one.price.micros, one.price.currency) })]);
  if (!offered.length) return card(t("recharge.change"), empty(t("topups.no_packs")), active ? ending(again) : null);
  const digits = (name, value, least) => el("input", { name, type: "number", min: least, step: 1, required: true, inputmode: "numeric", value });
  const first = packs.find((one) => one.pack_id === terms?.pack_id) ?? packs[0];
  const pack = choice("pack_id", offered, first.pack_id);
  const form = el("form", { class: "stacked terms" },
    field(t("recharge.threshold"), digits("threshold", terms?.threshold ?? 100, 0), { hint: t("recharge.threshold_hint") }),
    field(t("topups.pack"), pack),
    field(t("recharge.monthly_limit"), digits("monthly_limit", terms?.monthly_limit ?? first.credits, 1), { hint: t("recharge.limit_hint") }));
  const promise = el("p", { class: "notice", "aria-live": "polite" });
  const answer = el("div", { "aria-live": "polite" });
  const wanted = () => ({
    threshold: Number(form.elements.threshold.value), pack_id: pack.value, monthly_limit: Number(form.elements.monthly_limit.value),
  });
  const promised = () => {
    const chosen = packs.find((one) => one.pack_id === pack.value);
    const { threshold, monthly_limit: limit } = wanted();
    promise.textContent = plural("recharge.promise", Math.floor((limit || 0) / chosen.credits), {
      threshold: credits(threshold || 0), credits: credits(chosen.credits), price: money(chosen.price.micros, chosen.price.currency),
      limit: credits(limit || 0),
    });
  };
  form.append(promise, el("div", { class: "actions" }, el("button", { class: "primary" }, t(active ? "recharge.save" : "recharge.start"))), answer);
  form.addEventListener("input", promised);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clear(form);
    const least = packs.find((one) => one.pack_id === pack.value).credits;
    try {
      await put(path, wanted());
      again(t("recharge.saved"));
    } catch (problem) {
      replace(answer, refuse(form, problem, FIELDS, { least: credits(least) }));
    }
  });
  promised();
  return card(t(active ? "recharge.change" : "recharge.turn_on"), form, active ? ending(again) : null);
}

// Asks once more before it ends anything.
function ending(again) {
  const answer = el("div", { "aria-live": "polite" });
  const sure = el("dialog", { "aria-labelledby": "end-title" },
    el("h2", { id: "end-title" }, t("recharge.end_title")),
    el("p", {}, t("recharge.end_text")),
    el("div", { class: "actions" },
      el("button", { type: "button", class: "danger", onclick: async () => {
        sure.close();
        try {
          await remove(path);
          again(t("recharge.ended"));
        } catch (problem) {
          replace(answer, failure(problem));
        }
      } }, t("recharge.end")),
      el("button", { type: "button", onclick: () => sure.close() }, t("recharge.keep"))));
  return el("div", { class: "ending" }, el("button", { type: "button", class: "danger", onclick: () => sure.showModal() }, t("recharge.end")), sure, answer);
}

function show(said = null) {
  return fill(content, async () => {
    const [{ data: packs }, terms] = await Promise.all([get("/v1/packs"), getOr(null, path)]);
    return [
      said ? el("p", { class: "notice good", role: "status" }, said) : null,
      el("div", { class: "pair" }, standing(terms, packs), changing(terms, packs, show)),
      el("p", { class: "muted" }, t("recharge.see"), " ", link(pagePath("topups"), t("topups.title"))),
    ];
  });
}

show();
