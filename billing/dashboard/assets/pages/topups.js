// Top-up: packs to buy, and what became of those that were ordered.

import { get, getOr, post } from "../api.js";
import { read, write } from "../address.js";
import { el, replace } from "../dom.js";
import { DASH, credits, date, money, number } from "../format.js";
import { live } from "../live.js";
import { accountPath, content, pagePath, role } from "../page.js";
import { badge, card, code, link, moment } from "../parts.js";
import { empty, failure, fill } from "../states.js";
import { listing } from "../table.js";
import { known, plural, t, word } from "../texts.js";

const MAY_ORDER = ["admin", "gateway", "account"].includes(role);
const back = el("div", { "aria-live": "polite" });

function pack(one) {
  const answer = el("div", { "aria-live": "polite" });
  const order = el("button", { type: "button", class: "primary", onclick: () => buy(one, order, answer) },
    t("topups.buy", { price: money(one.price.micros, one.price.currency) }));
  return el("section", { class: "card pack" },
    el("h3", {}, one.name),
    el("p", { class: "number big" }, number(one.credits), " ", el("small", { class: "muted" }, t("topups.credits"))),
    one.bonus_credits ? el("p", {}, badge("topup", "bonus", "good"), " ", plural("topups.bonus", one.bonus_credits)) : null,
    el("p", { class: "muted" }, one.expires_in_days ? plural("topups.lasts", one.expires_in_days) : t("topups.lasts_forever")),
    MAY_ORDER ? order : el("p", {}, money(one.price.micros, one.price.currency)),
    answer);
}

// One id for one wish: what is tried again after a failure buys once.
async function buy(one, button, answer) {
  button.disabled = true;
  replace(answer);
  one.order ??= `web-${crypto.randomUUID?.() ?? Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  const here = `${location.origin}${pagePath("topups")}`;
  try {
    const topup = await post(accountPath("topups"), {
      topup_id: one.order,
      pack_id: one.pack_id,
      success_url: `${here}?paid=${one.order}`,
      cancel_url: `${here}?left=${one.order}`,
    });
    if (!topup.url) throw Object.assign(new Error(t("topups.no_checkout")), { code: "no_checkout" });
    if (!/^https?:\/\//.test(topup.url)) throw Object.assign(new Error(t("topups.no_checkout")), { code: "no_checkout" });
    location.assign(topup.url);
  } catch (problem) {
    if (problem.code === "id_reused") delete one.order;
    replace(answer, failure(problem));
    button.disabled = false;
  }
}

// Who comes back from the checkout hears what became of it: credits come with the money, which may take a moment.
function returned() {
  const { paid, left } = read(["paid", "left"]);
  const id = paid || left;
  if (!id) return;
  const look = async () => {
    const topup = await getOr(null, accountPath("topups", id));
    if (!topup) return replace(back);
    const text = topup.status === "pending" ? (paid ? t("topups.waiting") : t("topups.left"))
      : topup.status === "paid" ? t("topups.paid", { credits: credits(topup.credits + topup.bonus_credits) }) : word("topup", topup.status);
    const tone = { paid: "good", pending: "" }[topup.status] ?? "warn";
    replace(back, el("p", { class: `notice ${tone}` }, text, " ",
      topup.status === "pending" && topup.url ? link(topup.url, t("topups.go_on")) : null));
    if (topup.status !== "pending" && back.dataset.seen !== topup.status) {
      if (back.dataset.seen) list.reload();
      write({ paid: "", left: "" });
    }
    back.dataset.seen = topup.status;
  };
  live(() => (["", undefined, "pending"].includes(back.dataset.seen) ? look() : undefined), { every: 3000 });
}

const list = listing({
  path: accountPath("topups"),
  caption: t("topups.past"),
  nothing: t("topups.none"),
  columns: [
    { label: t("topups.when"), cell: (topup) => moment(topup.created_at) },
    { label: t("topups.pack"), cell: (topup) => el("div", {}, code(topup.pack_id),
      el("span", { class: "aside" }, word("via", topup.via))) },
    { label: t("charge.status"), cell: (topup) => el("div", {}, badge("topup", topup.status),
      topup.failure ? el("span", { class: "aside" }, known(`stopped.${topup.failure}`) ? t(`stopped.${topup.failure}`) : topup.failure) : null,
      topup.problem ? el("span", { class: "aside soon" }, topup.problem) : null,
      topup.status === "pending" && topup.url && MAY_ORDER ? el("span", { class: "aside" }, link(topup.url, t("topups.go_on"))) : null) },
    { label: t("topups.price"), kind: "number", cell: (topup) => el("div", {}, money(topup.price.micros, topup.price.currency),
      topup.refunded_micros ? el("span", { class: "aside" }, t("topups.returned", { money: money(topup.refunded_micros, topup.price.currency) })) : null,
      topup.disputed_micros ? el("span", { class: "aside" }, t("topups.disputed", { money: money(topup.disputed_micros, topup.price.currency) })) : null) },
    { label: t("charge.credits"), kind: "number", cell: (topup) => el("div", {}, number(topup.credits),
      topup.bonus_credits ? el("span", { class: "aside" }, `+${number(topup.bonus_credits)}`) : null) },
    { label: t("topups.paid_at"), cell: (topup) => (topup.paid_at ? date(topup.paid_at) : DASH) },
  ],
});

fill(content, async () => {
  const { data: packs } = await get("/v1/packs");
  returned();
  return [
    back,
    card(t("topups.packs"),
      packs.length ? el("div", { class: "packs" }, packs.map(pack)) : empty(t("topups.no_packs")),
      el("p", { class: "muted" }, t(MAY_ORDER ? "topups.how" : "topups.not_you"))),
    card(t("topups.past"), list.node),
  ];
});
