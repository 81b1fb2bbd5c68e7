// Charges: search by request id, filters in the address, page by page.

import { get } from "../api.js";
import { bind, dayEnd, dayStart, read } from "../address.js";
import { COLUMNS, FLAGS, STATUSES } from "../charge.js";
import { el, replace } from "../dom.js";
import { accountPath, content, pagePath } from "../page.js";
import { card, choice, field } from "../parts.js";
import { empty, failure } from "../states.js";
import { listing } from "../table.js";
import { plural, t, word } from "../texts.js";

const NAMES = ["status", "model", "api_key_id", "end_user", "flag", "from", "to"];
const options = (group, values) => [["", t("filter.any")], ...values.map((value) => [value, word(group, value)])];
const text = (name, more = {}) => el("input", { name, autocomplete: "off", spellcheck: "false", maxlength: 256, ...more });

function search() {
  const input = text("request", { maxlength: 64, required: true });
  const answer = el("div", { "aria-live": "polite" });
  const form = el("form", { class: "search", role: "search", onsubmit: async (event) => {
    event.preventDefault();
    const id = input.value.trim();
    if (!id) return;
    replace(answer);
    try {
      const { request_id: found } = await get(accountPath("charges", id));
      location.assign(pagePath("charges", found));
    } catch (problem) {
      const none = problem.status === 404 || problem.status === 422;
      replace(answer, none ? el("p", { class: "notice warn" }, t("charges.not_found", { id })) : failure(problem));
    }
  } }, field(t("charges.search"), input), el("button", {}, t("charges.open")));
  return el("div", { class: "stack" }, form, answer);
}

const models = el("datalist", { id: "models" });
const form = el("form", { class: "filters", "aria-label": t("filter.title") },
  field(t("charge.status"), choice("status", options("status", STATUSES))),
  field(t("charge.flag"), choice("flag", options("flag", FLAGS))),
  field(t("charge.model"), text("model", { list: "models" })), models,
  field(t("charge.api_key"), text("api_key_id")),
  field(t("charge.end_user"), text("end_user")),
  field(t("filter.from"), el("input", { type: "date", name: "from" })),
  field(t("filter.to"), el("input", { type: "date", name: "to" })),
  el("div", { class: "actions" },
    el("button", {}, t("filter.apply")),
    el("button", { type: "button", class: "quiet", onclick: () => filters.clear() }, t("filter.clear"))),
);

const queryOf = ({ from, to, ...rest }) => ({ ...rest, start: dayStart(from), end: dayEnd(to) });
const count = el("p", { class: "muted", "aria-live": "polite" });
const list = listing({
  path: accountPath("charges"),
  caption: t("charges.title"),
  columns: COLUMNS,
  query: queryOf(read(NAMES)),
  nothing: () => empty(t(NAMES.some((name) => read(NAMES)[name]) ? "charges.none_match" : "charges.none")),
  onload: (n, more) => replace(count, n ? plural(more ? "charges.first" : "charges.count", n) : ""),
});
const filters = bind(form, NAMES, (values) => list.reload(queryOf(values)));

const filtered = NAMES.some((name) => read(NAMES)[name]);
const box = el("details", { open: filtered || matchMedia("(min-width: 40rem)").matches },
  el("summary", {}, t("filter.title")), form);

replace(content, card(null, search()), card(null, box), card(null, count, list.node));

get("/v1/price-books/current").then(
  (book) => models.append(...Object.keys(book.models).map((model) => el("option", { value: model }))),
  () => {}, // suggestions only
);
