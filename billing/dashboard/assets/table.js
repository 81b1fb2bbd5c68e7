// Tables: with a caption, stacked into cards on narrow screens, and loaded page by page.

import { get } from "./api.js";
import { el, replace } from "./dom.js";
import { empty, failure, loading } from "./states.js";
import { t } from "./texts.js";

// columns: [{ label, cell: (row) => node or text, kind: "number" | undefined }]. The caption is for screen readers
// unless `shown`; `total` is a row that sums up the others. The roles keep it a table where the styles make blocks of
// its cells.
export function table({ caption, columns, rows, total = null, shown = false }) {
  const heads = columns.map(({ label, kind }) => el("th", { scope: "col", role: "columnheader", class: kind }, label));
  const body = el("tbody", { role: "rowgroup" });
  const node = el(
    "table",
    { role: "table" },
    el("caption", { class: shown ? null : "visually-hidden" }, caption),
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, heads)),
    body,
    total && el("tfoot", { role: "rowgroup" }, tableRow(columns, total)),
  );
  const add = (more) => body.append(...more.map((row) => tableRow(columns, row)));
  add(rows);
  return { node: el("div", { class: "table", role: "region", "aria-label": caption, tabindex: "0" }, node), body, add };
}

function tableRow(columns, row) {
  return el("tr", { role: "row" }, columns.map(({ label, cell, kind }) =>
    el("td", { role: "cell", class: kind, "data-label": label }, cell(row)),
  ));
}

// A list of the API as a table: the first page now, more by a button. `reload(query)` begins anew.
// onload(count, more) hears how many rows there are.
export function listing({ path, caption, columns, query = {}, nothing, onload = () => {} }) {
  const node = el("div", { class: "listing" });
  let round = 0;

  async function reload(wanted = query) {
    query = wanted;
    const mine = (round += 1);
    replace(node, loading());
    node.setAttribute("aria-busy", "true");
    let page;
    try {
      page = await get(path, query);
    } catch (problem) {
      if (mine === round) replace(node, failure(problem, () => reload()));
      return;
    }
    if (mine !== round) return; // asked otherwise meanwhile
    if (!page.data.length) {
      replace(node, typeof nothing === "string" ? empty(nothing) : nothing());
      onload(0, false);
      return;
    }
    const shown = table({ caption, columns, rows: page.data });
    const foot = el("div", { class: "more" });
    let count = page.data.length;
    const offer = ({ has_more: more, next_cursor: cursor }) => {
      onload(count, more);
      if (!more) return replace(foot);
      const button = el("button", { type: "button", onclick: async () => {
        button.disabled = true;
        try {
          const next = await get(path, { ...query, cursor });
          shown.add(next.data);
          count += next.data.length;
          offer(next);
        } catch (problem) {
          replace(foot, failure(problem), button);
          button.disabled = false;
        }
      } }, t("list.more"));
      return replace(foot, button);
    };
    replace(node, shown.node, foot);
    offer(page);
  }

  reload();
  return { node, reload };
}
