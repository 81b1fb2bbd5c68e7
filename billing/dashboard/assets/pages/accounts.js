// Accounts: choose one to look at.

import { get } from "../api.js";
import { el, replace } from "../dom.js";
import { content, pagePathOf } from "../page.js";
import { badge, card, field, link, moment } from "../parts.js";
import { failure } from "../states.js";
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

const list = listing({
  path: "/v1/accounts",
  caption: t("accounts.title"),
  nothing: t("accounts.none"),
  columns: [
    { label: t("accounts.account"), cell: (account) => link(pagePathOf(account.account_id), el("code", {}, account.account_id)) },
    { label: t("accounts.name"), cell: (account) => account.name ?? "" },
    { label: t("charge.status"), cell: (account) => badge("account", account.status) },
    { label: t("accounts.created"), cell: (account) => moment(account.created_at) },
  ],
});

replace(content, card(null, search()), card(null, list.node));
