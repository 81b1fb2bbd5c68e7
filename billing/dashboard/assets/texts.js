// Texts in the page's language, by name; `{name}` in them stands for a value.

import { language, textsAddress } from "./page.js";

const catalog = await (await fetch(textsAddress)).json();
const rules = new Intl.PluralRules(language);

export function t(name, values = {}) {
  const text = catalog[name];
  if (text === undefined) {
    console.error(`no text: ${name}`);
    return name;
  }
  return text.replace(/\{(\w+)\}/g, (field, key) => (key in values ? String(values[key]) : field));
}

// Whether there is such a text: for words that the API may add to.
export const known = (name) => name in catalog;

const digits = new Intl.NumberFormat(language);
const signedDigits = new Intl.NumberFormat(language, { signDisplay: "exceptZero" });

// A whole number as the language writes it: 12,345; in Spanish, as its academies have it, 12 345 and 1234.
export function whole(n, { sign = false } = {}) {
  const parts = (sign ? signedDigits : digits).formatToParts(n);
  return parts.map(({ type, value }) => (type === "group" && language === "es" ? "\u00a0" : value)).join("");
}

// The form of a text for a number: `name.one`, `name.other`. `{n}` is the number, written as the language has it.
export function plural(name, n, values = {}) {
  const form = `${name}.${rules.select(Number(n))}`;
  return t(known(form) ? form : `${name}.other`, { n: whole(n), ...values });
}

// With its first letter as a title begins.
export const capital = (text) => text.charAt(0).toLocaleUpperCase(language) + text.slice(1);

// A word of the API (a status, a flag, a kind) in the page's language, or itself where there is no text for it.
export const word = (group, value) => (known(`${group}.${value}`) ? t(`${group}.${value}`) : String(value));
