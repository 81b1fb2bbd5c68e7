// Ranges of time in a time zone, as the instants (Unix seconds) between which usage is asked for.

const QUARTER_HOUR = 900;
const DAY = 86_400;
const MOST = 800; // periods in a chart

export const RANGES = ["24h", "7d", "30d", "month", "12mo", "custom"];
export const WIDTHS = ["15m", "1h", "1d", "1mo"];
const SECONDS = { "15m": QUARTER_HOUR, "1h": 3600, "1d": DAY, "1mo": 28 * DAY };
const USUAL = { "24h": "1h", "7d": "1d", "30d": "1d", month: "1d", "12mo": "1mo" };

export function isZone(name) {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

// The range { start, end } of the form's values; `end` is null for "until now". Null where the days are reversed.
export function span({ range, from, to }, zone, now = Date.now() / 1000) {
  const today = wall(zone, now);
  const ago = (days) => midnight(zone, today.year, today.month, today.day - days);
  switch (range) {
    case "24h": return { start: aligned(now - DAY - (today.minute * 60 + today.second)), end: null };
    case "7d": return { start: ago(6), end: null };
    case "month": return { start: midnight(zone, today.year, today.month, 1), end: null };
    case "12mo": return { start: midnight(zone, today.year, today.month - 11, 1), end: null };
    case "custom": {
      const end = to ? midnight(zone, ...date(to, 1)) : null;
      const start = from ? midnight(zone, ...date(from)) : ago(29);
      return start < (end ?? now) ? { start, end } : null;
    }
    default: return { start: ago(29), end: null };
  }
}

// The width that a range is shown in: the one that is wished, or the usual one; wider where that would be too many.
export function widthOf(wished, { range }, { start, end }, now = Date.now() / 1000) {
  const length = (end ?? now) - start;
  const usual = USUAL[range] ?? (length <= 2 * DAY ? "1h" : length <= 92 * DAY ? "1d" : "1mo");
  const wanted = WIDTHS.includes(wished) ? wished : usual;
  return WIDTHS.slice(WIDTHS.indexOf(wanted)).find((width) => length / SECONDS[width] <= MOST) ?? "1mo";
}

// How a period is called: `short` on an axis, `long` in a table.
export function namer(language, zone, width) {
  const styles = {
    "15m": [{ hour: "2-digit", minute: "2-digit" }, { dateStyle: "medium", timeStyle: "short" }],
    "1h": [{ day: "numeric", month: "short", hour: "2-digit" }, { dateStyle: "medium", timeStyle: "short" }],
    "1d": [{ day: "numeric", month: "short" }, { weekday: "short", day: "numeric", month: "short", year: "numeric" }],
    "1mo": [{ month: "short", year: "numeric" }, { month: "long", year: "numeric" }],
  }[width];
  const [short, long] = styles.map((style) => {
    const hours = width === "15m" || width === "1h" ? { hourCycle: "h23" } : {};
    return new Intl.DateTimeFormat(language, { timeZone: zone, ...style, ...hours });
  });
  return { short: (seconds) => short.format(seconds * 1000), long: (seconds) => long.format(seconds * 1000) };
}

const aligned = (seconds) => Math.floor(seconds / QUARTER_HOUR) * QUARTER_HOUR;

function date(text, more = 0) {
  const [year, month, day] = text.split("-").map(Number);
  return [year, month, day + more];
}

// What a clock on the wall says.
function wall(zone, seconds) {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone: zone, calendar: "iso8601", numberingSystem: "latn", hourCycle: "h23",
    year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric",
  }).formatToParts(seconds * 1000);
  return Object.fromEntries(parts.filter(({ type }) => type !== "literal").map(({ type, value }) => [type, Number(value)]));
}

function offset(zone, seconds) {
  const { year, month, day, hour, minute, second } = wall(zone, seconds);
  return Date.UTC(year, month - 1, day, hour, minute, second) / 1000 - Math.floor(seconds);
}

// The first instant of a date; where clocks skip midnight, the one at which they do.
function midnight(zone, year, month, day) {
  const utc = Date.UTC(year, month - 1, day) / 1000;
  const [before, after] = [offset(zone, utc - DAY), offset(zone, utc + DAY)];
  const found = [utc - before, utc - after].filter((instant) => offset(zone, instant) === utc - instant);
  return aligned(found.length ? Math.min(...found) : utc - before);
}
