// Usage as it was counted: asked for page by page, and put together by group. All counts are exact (BigInt).

import { get } from "./api.js";

const COUNTS = ["requests", "images", "failed_images", "credits"];
const PERIODS = 1000; // to a page
const PAGES = 5; // of groups by period, before only the largest are asked for
const RANKED_PAGES = 20;
export const TOP = 10;

const nothing = () => Object.fromEntries(COUNTS.map((name) => [name, 0n]));

function add(sum, counted) {
  for (const name of COUNTS) sum[name] += BigInt(counted[name]);
  return sum;
}

// What was used: { periods: [{ start, end, clocks }], series: [{ value, rest, counts: [by period], total }], counts, total, cut }.
// Without a dimension there is one series. `cut`: so many values that the largest were sought among the first only.
export async function counted(path, query, dimension, signal) {
  if (!dimension) return gathered(await ask(path, query, signal), null);
  const grouped = { ...query, group_by: dimension };
  const every = await ask(path, grouped, signal, PAGES);
  if (every.complete) return topped(gathered(every, dimension));
  const ranked = await ask(path, { ...grouped, bucket_width: "1mo", fill: "none" }, signal, RANKED_PAGES);
  const names = byCredits(gathered(ranked, dimension).series).slice(0, TOP).map(({ value }) => value ?? "");
  const largest = gathered(await ask(path, { ...grouped, [dimension]: names }, signal), dimension);
  const all = gathered(await ask(path, query, signal), null); // last, so that the rest holds what came meanwhile
  return { ...withRest({ ...all, series: byCredits(largest.series) }), cut: !ranked.complete };
}

async function ask(path, query, signal, most = Infinity) {
  const buckets = new Map();
  for (let page = null, turn = 0; turn < most; turn += 1) {
    const answer = await get(path, { limit: PERIODS, ...query, page }, { signal });
    for (const { start_time: start, end_time: end, local_start: clocks, results } of answer.data) {
      const known = buckets.get(start);
      if (known) known.results.push(...results); // a period that was cut between two pages
      else buckets.set(start, { start, end, clocks, results });
    }
    if (!answer.has_more) return { buckets: [...buckets.values()], complete: true };
    page = answer.next_page;
  }
  return { buckets: [...buckets.values()], complete: false };
}

function gathered({ buckets }, dimension) {
  const groups = new Map();
  const counts = buckets.map(nothing);
  buckets.forEach(({ results }, at) => {
    for (const result of results) {
      const value = dimension ? result[dimension] : null;
      if (!groups.has(value)) groups.set(value, { value, rest: false, counts: buckets.map(nothing), total: nothing() });
      const series = groups.get(value);
      for (const sum of [counts[at], series.counts[at], series.total]) add(sum, result);
    }
  });
  return {
    periods: buckets.map(({ start, end, clocks }) => ({ start, end, clocks })),
    series: [...groups.values()],
    counts,
    total: counts.reduce(add, nothing()),
    cut: false,
  };
}

const byCredits = (series) => series.sort((a, b) => {
  for (const name of ["credits", "images", "failed_images"]) {
    if (a.total[name] !== b.total[name]) return a.total[name] > b.total[name] ? -1 : 1;
  }
  return String(a.value) < String(b.value) ? -1 : 1;
});

// The largest, and one series for all others.
function topped(found) {
  const series = byCredits(found.series);
  return series.length > TOP + 1 ? withRest({ ...found, series: series.slice(0, TOP) }) : { ...found, series };
}

function withRest(found) {
  const less = (sum, counts) => Object.fromEntries(
    COUNTS.map((name) => [name, found.series.reduce((left, one) => left - counts(one)[name], sum[name])]),
  );
  const rest = {
    value: null,
    rest: true,
    counts: found.counts.map((sum, at) => less(sum, (one) => one.counts[at])),
    total: less(found.total, (one) => one.total),
  };
  return { ...found, series: [...found.series, rest] };
}
