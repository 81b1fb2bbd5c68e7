// Ranges of time in a time zone. The service says when a day begins there: browsers have tables of zones of their own, and
// the law changes. What is asked for is a day (YYYY-MM-DD) or an instant (Unix seconds), what is shown are its clocks.

const QUARTER_HOUR = 900;
const DAY = 86_400;
const MOST = 800; // periods in a chart

export const RANGES = ["24h", "7d", "30d", "month", "12mo", "custom"];
export const WIDTHS = ["15m", "1h", "1d", "1mo"];
const SECONDS = { "15m": QUARTER_HOUR, "1h": 3600, "1d": DAY, "1mo": 28 * DAY };
const USUAL = { "24h": "1h", "7d": "1d", "30d": "1d", month: "1d", "12mo": "1mo" };

// The range { start, end } of the form's values; `end` is null for "until now". Null where the days are reversed.
export function span({ range, from, to }, zone, now = Date.now() / 1000) {
  const { year, month, minute, second } = wall(zone, now);
  switch (range) {
    case "24h": return { start: aligned(now - DAY - (minute * 60 + second)), end: null };
    case "7d": return { start: daysAgo(6, zone, now), end: null };
    case "month": return { start: text(year, month, 1), end: null };
    case "12mo": return { start: text(year, month - 11, 1), end: null };
    case "custom": {
      const start = from || daysAgo(29, zone, now);
      return start <= (to || daysAgo(0, zone, now)) ? { start, end: to ? after(to) : null } : null;
    }
    default: return { start: daysAgo(29, zone, now), end: null };
  }
}

export function daysAgo(days, zone, now = Date.now() / 1000) {
  const { year, month, day } = wall(zone, now);
  return text(year, month, day - days);
}

// The width that a range is shown in: the one that is wished, or the usual one; wider where that would be too many.
export function widthOf(wished, { range }, { start, end }, now = Date.now() / 1000) {
  const length = (end === null ? now : seconds(end)) - seconds(start);
  const usual = USUAL[range] ?? (length <= 2 * DAY ? "1h" : length <= 92 * DAY ? "1d" : "1mo");
  const wanted = WIDTHS.includes(wished) ? wished : usual;
  return WIDTHS.slice(WIDTHS.indexOf(wanted)).find((width) => length / SECONDS[width] <= MOST) ?? "1mo";
}

// How a period is called by the clocks that it begins at ("2026-12-01T00:00:00-07:00"): `short` on an axis, `long` in a table.
export function namer(language, width) {
  const styles = {
    "15m": [{ hour: "2-digit", minute: "2-digit" }, { dateStyle: "medium", timeStyle: "short" }],
    "1h": [{ day: "numeric", month: "short", hour: "2-digit" }, { dateStyle: "medium", timeStyle: "short" }],
    "1d": [{ day: "numeric", month: "short" }, { weekday: "short", day: "numeric", month: "short", year: "numeric" }],
    "1mo": [{ month: "short", year: "numeric" }, { month: "long", year: "numeric" }],
  }[width];
  const [short, long] = styles.map((style) => {
    const hours = width === "15m" || width === "1h" ? { hourCycle: "h23" } : {};
    const format = new Intl.DateTimeFormat(language, { timeZone: "UTC", ...style, ...hours });
    return (clocks) => format.format(new Date(`${clocks.slice(0, 19)}Z`));
  });
  return { short, long };
}

const aligned = (instant) => Math.floor(instant / QUARTER_HOUR) * QUARTER_HOUR;
const text = (year, month, day) => new Date(Date.UTC(year, month - 1, day)).toISOString().slice(0, 10);
const seconds = (place) => (typeof place === "number" ? place : Date.parse(place) / 1000); // of a day about when it begins

function after(day) {
  const [year, month, date] = day.split("-").map(Number);
  return text(year, month, date + 1);
}

// What a clock on the wall says, about: good for knowing which day it is.
function wall(zone, instant) {
  const clock = (timeZone) => new Intl.DateTimeFormat("en-US", {
    timeZone, calendar: "iso8601", numberingSystem: "latn", hourCycle: "h23",
    year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric",
  });
  let found;
  try {
    found = clock(zone);
  } catch {
    found = clock("UTC"); // whether there is such a zone the service says
  }
  const parts = found.formatToParts(instant * 1000);
  return Object.fromEntries(parts.filter(({ type }) => type !== "literal").map(({ type, value }) => [type, Number(value)]));
}
