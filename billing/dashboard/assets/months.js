// Months of the books, in UTC: a page that looks at one of them, chosen from those there are.

import { bind } from "./address.js";
import { get } from "./api.js";
import { el, replace } from "./dom.js";
import { month } from "./format.js";
import { content } from "./page.js";
import { card, choice, field } from "./parts.js";
import { fill } from "./states.js";
import { t } from "./texts.js";

// [{ period: "2026-03", status: "open" | "closed", … }], the newest first; where nothing has happened yet, this month.
export async function months() {
  const { data } = await get("/v1/finance/periods");
  return data.length ? data : [{ period: new Date().toISOString().slice(0, 7), status: "open" }];
}

// A month as the instants { start, end } that begin and end it.
export function instants(period) {
  const [year, number] = period.split("-").map(Number);
  const at = (months) => `${new Date(Date.UTC(year, number - 1 + months)).toISOString().slice(0, 19)}Z`;
  return { start: at(0), end: at(1) };
}

// Fills the page with a choice of month and `fields` (controls by label, with names), and below it what `build(values)`
// resolves to. With `every` it may be all months, and is at first: `period` is null. `before` stands above, `after` below. What is chosen lives in the address. The result is how to ask again.
export async function byMonth({ fields = [], before = null, after = null, every = null, build }) {
  const answer = el("div", { class: "stack" });
  const names = ["period", ...fields.map(([, control]) => control.name)];
  let [round, latest, newest] = [0, null, null];

  function show(values = latest) {
    latest = values;
    const mine = (round += 1);
    const stale = () => new DOMException("asked otherwise meanwhile", "AbortError");
    return fill(answer, async () => {
      try {
        const built = await build({ ...values, period: values.period || (every ? null : newest) });
        if (mine === round) return built;
      } catch (problem) {
        if (mine === round) throw problem;
      }
      throw stale();
    });
  }

  await fill(content, async () => {
    const found = await months();
    newest = found[0].period;
    const name = ({ period, status }) => t(`period.${status}`, { month: month(period) });
    const options = found.map((one, place) => [place || every ? one.period : "", name(one)]);
    const control = choice("period", every ? [["", every], ...options] : options);
    const form = el("form", { class: "filters", "aria-label": t("filter.title") },
      field(t("period.month"), control), fields.map(([label, other]) => field(label, other)));
    const address = bind(form, names, show);
    queueMicrotask(() => show(address.values()));
    return [before, card(null, form), answer, after];
  });
  return show;
}
