// Accounts: how each stands; choose one to look at.

import { bind, read } from "../address.js";
import { get } from "../api.js";
import { el, replace } from "../dom.js";
import { number } from "../format.js";
import { content, pagePathOf } from "../page.js";
import { badge, card, choice, field, link, moment } from "../parts.js";
import { empty, failure } from "../states.js";
import { listing } from "../table.js";
import { t } from "../texts.js";

function search() {
  const input = el("input", { name: "account", required: true, maxlength: 64, autocomplete: "off", spellcheck: "false" });
  const answer = el("div", { "aria-live": "polite" });
  const form = el("form", { class: "search", role: "search", onsubmit: async (event) => {
    event.preventDefault();
    const id = input.value.trim();
    if (!id) return;
    replace(answer);
    try {
      await get(`/v1/accounts/${encodeURIComponent(id)}`);
      location.assign(pagePathOf(id));
    } catch (problem) {
      const none = problem.status === 404 || problem.status === 422;
      replace(answer, none ? el("p", { class: "notice warn" }, t("accounts.not_found", { id })) : failure(problem));
    }
  } }, field(t("accounts.search"), input), el("button", {}, t("charges.open")));
  return el("div", { class: "stack" }, form, answer);
}

const NAMES = ["prefix", "owing"];
const form = el("form", { class: "filters", "aria-label": t("filter.title") },
  field(t("accounts.prefix"), el("input", { name: "prefix", maxlength: 64, autocomplete: "off", spellcheck: "false", pattern: "[A-Za-z0-9_.:\\-]+" })),
  field(t("accounts.which"), choice("owing", [["", t("accounts.every")], ["true", t("accounts.owing")]])),
  el("div", { class: "actions" },
    el("button", {}, t("filter.apply")),
    el("button", { type: "button", class: "quiet", onclick: () => filters.clear() }, t("filter.clear"))));

const list = listing({
  path: "/v1/balances",
  caption: t("accounts.title"),
  query: read(NAMES),
  nothing: () => empty(t(NAMES.some((name) => read(NAMES)[name]) ? "accounts.none_match" : "accounts.none")),
  columns: [
    { label: t("accounts.account"), cell: (account) => el("div", {},
      link(pagePathOf(account.account_id), el("code", {}, account.account_id)),
      account.name ? el("span", { class: "aside" }, account.name) : null) },
    { label: t("charge.status"), cell: (account) => badge("account", account.status) },
    { label: t("overview.posted"), kind: "number", cell: (account) => number(account.posted) },
    { label: t("overview.held"), kind: "number", cell: (account) => number(account.held) },
    { label: t("overview.available"), kind: "number", cell: (account) => number(account.available) },
    { label: t("accounts.debt"), kind: "number", cell: (account) => (account.debt ? el("strong", { class: "owed" }, number(account.debt)) : number(0)) },
    { label: t("accounts.created"), cell: (account) => moment(account.created_at) },
  ],
});
const filters = bind(form, NAMES, (values) => list.reload(values));

replace(content, card(null, search()), card(null, form), card(null, list.node));
