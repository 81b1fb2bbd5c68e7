// Event inbox: what the payment processor reported and what became of it; and deliveries of ours that were given up.

import { bind, read } from "../address.js";
import { get, pages, post } from "../api.js";
import { el, replace } from "../dom.js";
import { DASH, number } from "../format.js";
import { content, pagePathOf, role } from "../page.js";
import { badge, card, choice, code, field, link, moment } from "../parts.js";
import { empty, failure, loading } from "../states.js";
import { listing, table } from "../table.js";
import { t, word } from "../texts.js";

const NAMES = ["state", "type"];
const STATES = ["pending", "done", "ignored", "dead"];
const TONES = { pending: "busy", done: "good", ignored: "plain", dead: "bad" };
const MAY_RETRY = role === "admin";
const DEAD = 50; // of one endpoint

const form = el("form", { class: "filters", "aria-label": t("filter.title") },
  field(t("charge.status"), choice("state", [["", t("filter.any")], ...STATES.map((state) => [state, word("event", state)])])),
  field(t("events.type"), el("input", { name: "type", maxlength: 256, autocomplete: "off", spellcheck: "false" })),
  el("div", { class: "actions" },
    el("button", {}, t("filter.apply")),
    el("button", { type: "button", class: "quiet", onclick: () => filters.clear() }, t("filter.clear"))));

// How an event stands, with a button to have it dealt with again.
function standing(event) {
  const node = el("div", { "aria-live": "polite" });
  const show = (one) => {
    const retry = el("button", { type: "button", onclick: async () => {
      retry.disabled = true;
      try {
        show(await post(`/v1/stripe/events/${encodeURIComponent(one.event_id)}/retry`));
      } catch (problem) {
        node.append(failure(problem));
        retry.disabled = false;
      }
    } }, t("events.retry"));
    replace(node,
      badge("event", one.state, TONES[one.state]),
      one.problem ? el("span", { class: "aside" }, one.problem) : null,
      one.state === "pending" && one.next_attempt_at ? el("span", { class: "aside" }, t("events.next"), " ", moment(one.next_attempt_at)) : null,
      MAY_RETRY && one.state === "dead" ? el("div", { class: "again" }, retry) : null);
  };
  show(event);
  return node;
}

const list = listing({
  path: "/v1/stripe/events",
  caption: t("events.title"),
  query: read(NAMES),
  nothing: () => empty(t(NAMES.some((name) => read(NAMES)[name]) ? "events.none_match" : "events.none")),
  columns: [
    { label: t("events.received"), cell: (event) => moment(event.received_at) },
    { label: t("events.type"), cell: (event) => el("div", {}, code(event.type), el("span", { class: "aside" }, event.event_id)) },
    { label: t("accounts.account"), cell: (event) => (event.account_id ? link(pagePathOf(event.account_id, "topups"), code(event.account_id)) : DASH) },
    { label: t("charge.status"), cell: standing },
    { label: t("events.attempts"), kind: "number", cell: (event) => number(event.attempts) },
  ],
});
const filters = bind(form, NAMES, (values) => list.reload(values));

// Endpoints are shown to admins only, and with them what they did not take.
async function deadDeliveries(node) {
  replace(node, loading());
  try {
    const dead = [];
    for await (const endpoints of pages("/v1/webhook-endpoints")) {
      for (const { endpoint_id: id, url } of endpoints) {
        const found = await get(`/v1/webhook-endpoints/${encodeURIComponent(id)}/deliveries`, { state: "dead", limit: DEAD });
        dead.push(...found.data.map((one) => ({ ...one, url })));
      }
    }
    if (!dead.length) return replace(node, empty(t("events.no_dead")));
    return replace(node, table({
      caption: t("events.dead"),
      rows: dead,
      columns: [
        { label: t("events.announced"), cell: (one) => moment(one.created_at) },
        { label: t("events.event"), cell: (one) => el("div", {}, code(one.event_id), el("span", { class: "aside" }, one.account_id)) },
        { label: t("events.endpoint"), cell: (one) => el("div", {}, code(one.endpoint_id), el("span", { class: "aside" }, one.url)) },
        { label: t("events.problem"), cell: (one) => [one.last_status, one.problem].filter(Boolean).join(": ") || DASH },
        { label: t("events.attempts"), kind: "number", cell: (one) => number(one.attempts) },
        { label: t("events.retry"), cell: again },
      ],
    }).node);
  } catch (problem) {
    return replace(node, failure(problem, () => deadDeliveries(node)));
  }
}

function again(delivery) {
  const button = el("button", { type: "button", onclick: async () => {
    button.disabled = true;
    try {
      await post(`/v1/webhook-events/${encodeURIComponent(delivery.event_id)}/replay`, { endpoint_id: delivery.endpoint_id });
      button.replaceWith(el("span", { class: "muted", role: "status" }, t("events.replayed")));
    } catch (problem) {
      button.after(failure(problem));
      button.disabled = false;
    }
  } }, t("events.retry"));
  return button;
}

const dead = el("div");
replace(content,
  card(null, form),
  card(null, list.node),
  MAY_RETRY ? card(t("events.dead"), el("p", { class: "muted" }, t("events.dead_note")), dead) : null);
if (MAY_RETRY) deadDeliveries(dead);
