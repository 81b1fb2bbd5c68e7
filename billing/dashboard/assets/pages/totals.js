// Totals over all accounts, and where to look next.

import { get } from "../api.js";
import { el } from "../dom.js";
import { number } from "../format.js";
import { live, update } from "../live.js";
import { content } from "../page.js";
import { card, figure, link } from "../parts.js";
import { fill } from "../states.js";
import { plural, t } from "../texts.js";

const EVERY_MS = 15_000;
const NAMES = ["posted", "held", "frozen", "debt", "accounts", "open_holds"];
const figures = Object.fromEntries(NAMES.map((name) => [name, figure(t(`totals.${name}`), { tone: name === "posted" ? "first" : "" })]));

async function look() {
  const totals = await get("/v1/totals");
  const notes = {
    debt: plural("totals.owing", totals.owing_accounts),
    open_holds: totals.due_holds ? plural("totals.due", totals.due_holds) : t("totals.none_due"),
  };
  for (const name of NAMES) {
    update(figures[name].number, number(totals[name]));
    update(figures[name].note, notes[name] ?? t(`totals.${name}.note`));
  }
  figures.debt.node.classList.toggle("bad", totals.debt > 0);
}

const NEXT = [
  ["/accounts?owing=true", "totals.see_debts"],
  ["/spend", "totals.see_spend"],
  ["/exceptions", "totals.see_exceptions"],
  ["/events?state=dead", "totals.see_events"],
];

fill(content, async () => {
  await look();
  live(look, { every: EVERY_MS });
  return [
    el("div", { class: "figures tight" }, NAMES.map((name) => figures[name].node)),
    card(t("totals.next"), el("ul", { class: "links" }, NEXT.map(([href, text]) => el("li", {}, link(href, t(text)))))),
  ];
});
