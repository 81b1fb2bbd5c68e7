// Numbers, times and sizes as the page's language writes them. Times are shown in the visitor's own zone.

import { language } from "./page.js";
import { plural, t, whole } from "./texts.js";

const when = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });
const exactly = new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "long", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(language, { dateStyle: "medium" });
const utcDay = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeZone: "UTC" });
const monthYear = new Intl.DateTimeFormat(language, { month: "long", year: "numeric", timeZone: "UTC" });
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const UNITS = [["year", 31_536_000], ["month", 2_592_000], ["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];

export const DASH = "—";

export const number = (n) => (n === null || n === undefined ? DASH : whole(n));
export const signed = (n) => (n === null || n === undefined ? DASH : whole(n, { sign: true }));
export const credits = (n) => (n === null || n === undefined ? DASH : plural("unit.credits", n));

// Money in micros of a currency.
export const money = (micros, currency) => written(micros, currency, {});

// The same to the last micro, for sums that a reader adds up; and of the asset CREDIT whole credits.
export function amount(micros, asset) {
  if (micros === null || micros === undefined) return DASH;
  return asset === "CREDIT" ? whole(micros) : written(micros, asset, { minimumFractionDigits: 2, maximumFractionDigits: 6 });
}

function written(micros, currency, digits) {
  const [units, rest] = [BigInt(micros) / 1_000_000n, BigInt(micros) % 1_000_000n];
  const text = `${units}.${String(rest < 0n ? -rest : rest).padStart(6, "0")}`;
  const format = new Intl.NumberFormat(language, { style: "currency", currency, ...digits });
  return format.format(units === 0n && rest < 0n ? `-${text}` : text);
}

export const time = (text) => (text ? when.format(new Date(text)) : DASH);
export const timeExactly = (text) => (text ? exactly.format(new Date(text)) : "");
export const date = (text) => (text ? day.format(new Date(text)) : DASH);

// A day of the books, which is one in UTC wherever the visitor is: "2026-03-01" → "Mar 1, 2026"
export const dayUTC = (text) => utcDay.format(new Date(`${text}T00:00:00Z`));

// "2026-03" → "March 2026"
export const month = (text) => monthYear.format(new Date(`${text}-01T00:00:00Z`));

// "in 3 days", "2 minutes ago"
export function fromNow(text, now = Date.now()) {
  const seconds = Math.round((new Date(text) - now) / 1000);
  const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? UNITS.at(-1);
  return relative.format(Math.round(seconds / length), unit);
}

// Time left until `text`, as 4:05 or 1:02:03; 0:00 when it is over.
export function timeLeft(text, now = Date.now()) {
  const left = Math.max(0, Math.floor((new Date(text) - now) / 1000));
  const [hours, minutes, seconds] = [Math.floor(left / 3600), Math.floor(left / 60) % 60, left % 60];
  const two = (n) => String(n).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}

export const size = (width, height) => (width && height ? `${width} × ${height}` : t("output.unmeasured"));
