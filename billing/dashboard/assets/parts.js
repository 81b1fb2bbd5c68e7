// Parts that pages are made of.

import { el } from "./dom.js";
import { DASH, fromNow, time, timeExactly } from "./format.js";
import { t, word } from "./texts.js";

export function card(title, ...children) {
  return el("section", { class: "card" }, title && el("h2", {}, title), children);
}

const TONES = {
  status: { authorized: "busy", settled: "good", voided: "plain", expired: "plain" },
  grant: { open: "good", frozen: "warn", lapsed: "warn", expired: "plain", revoked: "bad", spent: "plain" },
  output: { succeeded: "good", failed: "plain" },
  account: { active: "good", suspended: "bad" },
  topup: { pending: "busy", paid: "good", failed: "bad", expired: "plain", refunded: "warn", disputed: "bad" },
};

// badge("status", "settled"): the text is `status.settled`, the colour that of the table above, or `tone`.
export function badge(group, value, tone = TONES[group]?.[value] ?? "plain") {
  return el("span", { class: `badge ${tone}` }, word(group, value));
}

// Flags with what they mean; `flag.{name}` and `flag.{name}.meaning`.
export function flags(names) {
  if (!names.length) return DASH;
  return el("span", { class: "flags" }, names.map((name) => {
    const meaning = word("flag", `${name}.meaning`);
    return el("span", { class: "badge warn", title: meaning === `${name}.meaning` ? null : meaning }, word("flag", name));
  }));
}

// A time in words, with the exact one on hover.
export const moment = (text) => (text ? el("time", { datetime: text, title: timeExactly(text) }, time(text)) : DASH);
export const momentFromNow = (text) => (text ? el("time", { datetime: text, title: timeExactly(text) }, fromNow(text)) : DASH);

export const code = (text) => (text ? el("code", {}, text) : DASH);
export const link = (href, ...children) => el("a", { href }, children);

// facts([["Model", "gpt-image-2"], …]): a list of names and values; a row of null is left out.
export function facts(rows) {
  return el("dl", { class: "facts" }, rows.filter(Boolean).map(([name, value]) =>
    el("div", {}, el("dt", {}, name), el("dd", {}, value ?? DASH)),
  ));
}

// A big number with what it means below; `figure(…).number` and `.note` are nodes to update.
export function figure(label, { tone = "" } = {}) {
  const number = el("p", { class: "number", "aria-live": "polite", "aria-atomic": "true" });
  const note = el("p", { class: "note" });
  const node = el("section", { class: `figure ${tone}` }, el("h2", {}, label), number, note);
  return { node, number, note };
}

// A labelled control; `control` gets the id.
let controls = 0;
export function field(label, control, { hint = null } = {}) {
  control.id ||= `control-${(controls += 1)}`;
  const note = hint && el("p", { class: "hint", id: `${control.id}-hint` }, hint);
  if (note) control.setAttribute("aria-describedby", note.id);
  return el("div", { class: "field" }, el("label", { for: control.id }, label), control, note);
}

// choice("status", [["", "any"], ["settled", "settled"]], "settled")
export function choice(name, options, chosen = "") {
  const select = el("select", { name }, options.map(([value, text]) => el("option", { value }, text)));
  select.value = chosen;
  return select;
}

export const yesNo = (value) => t(value ? "word.yes" : "word.no");
