// Prices: the book in force as a matrix for each model, and what a request would cost.

import { bind, read } from "../address.js";
import { get, post } from "../api.js";
import { el, replace } from "../dom.js";
import { number } from "../format.js";
import { accountPath, content } from "../page.js";
import { card, choice, facts, field, figure, moment } from "../parts.js";
import { clear, refuse } from "../refusal.js";
import { fill } from "../states.js";
import { table } from "../table.js";
import { capital, plural, t, word } from "../texts.js";

const NAMES = ["model", "size", "width", "height", "quality", "n", "operation", "overage"];
const CUSTOM = "custom";
const MOST = 10;
const FIELDS = { unknown_model: "model", size_not_allowed: "size", size_not_priced: "size", quality_not_supported: "quality" };
const wide = (node) => {
  node.classList.add("wide");
  return node;
};
const options = (select, wanted) => {
  const chosen = select.value;
  select.replaceChildren(...wanted.map(([value, text]) => el("option", { value }, text)));
  select.value = wanted.some(([value]) => value === chosen) ? chosen : "";
};

// Orders qualities from the cheapest to the dearest; where they cost the same, as people name them.
const USUAL = ["low", "medium", "high"];
const cheapest = ({ prices, qualities, tiers }) => {
  const dearest = (quality) => Math.max(...tiers.map((tier) => Number(prices[qualities[quality] ?? quality][tier.name])));
  return (a, b) => dearest(a) - dearest(b) || USUAL.indexOf(a) - USUAL.indexOf(b);
};

function matrix([name, model]) {
  const tiers = model.tiers.map((tier) => tier.name);
  const asked = (billed) => Object.keys(model.qualities).filter((one) => model.qualities[one] === billed && one !== billed);
  return card(name,
    table({
      caption: t("prices.matrix", { model: name }),
      rows: Object.keys(model.prices).sort(cheapest(model)).map((quality) => [quality, model.prices[quality]]),
      columns: [
        { label: capital(t("dimension.quality")), cell: ([quality]) => el("div", {}, quality,
          asked(quality).map((one) => el("span", { class: "aside" }, t("prices.also", { quality: one })))) },
        ...model.tiers.map((tier) => ({
          label: t("prices.tier", { tier: tier.name, edge: tier.max_edge }), kind: "number", cell: ([, row]) => number(row[tier.name]),
        })),
      ],
    }).node,
    el("p", { class: "muted" }, t("prices.auto", { tier: model.auto_tier ?? tiers[0] }), " ", sizesOf(model)));
}

const sizesOf = ({ sizes, tiers }) => (Array.isArray(sizes)
  ? t("prices.listed", { sizes: sizes.join(", ") })
  : t("prices.custom_rules", {
    multiple: sizes.multiple_of, min: number(sizes.min_pixels), max: number(sizes.max_pixels), aspect: sizes.max_aspect,
    edge: tiers.at(-1).max_edge,
  }));

function calculator(book, settings, available) {
  const free = (name) => !Array.isArray(book.models[name].sizes);
  const models = Object.keys(book.models).sort((a, b) => free(b) - free(a)); // what takes any size first
  const digits = (name) => el("input", { name, type: "number", min: 1, step: 1, inputmode: "numeric" });
  const model = choice("model", [["", models[0]], ...models.slice(1).map((one) => [one, one])]);
  const size = choice("size", [["", ""]]);
  const quality = choice("quality", [["", ""]]);
  const custom = el("fieldset", { class: "size" }, field(t("prices.width"), digits("width")), field(t("prices.height"), digits("height")));
  const form = el("form", { class: "filters", "aria-label": t("prices.calculator") },
    field(capital(t("dimension.model")), model),
    field(t("prices.size"), size),
    custom,
    field(capital(t("dimension.quality")), quality),
    field(t("prices.n"), el("input", { name: "n", type: "number", min: 1, max: MOST, step: 1, placeholder: "1", inputmode: "numeric" })),
    field(capital(t("dimension.operation")), choice("operation", [["", word("operation", "generation")], ["edit", word("operation", "edit")]])),
    wide(field(t("prices.overage"), choice("overage", [
      ["", t("prices.overage_own")], ["bill", t("overage.bill")], ["cap", t("overage.cap")],
    ]), { hint: t("prices.overage_hint", { overage: t(`overage.${settings.overage}`) }) })),
    el("div", { class: "actions" }, el("button", {}, t("prices.calculate"))));
  const answer = el("div", { class: "stack", "aria-live": "polite" });
  let round = 0;

  // What the chosen model offers.
  function offer(values) {
    const chosen = book.models[values.model || models[0]];
    if (!chosen) return;
    const own = Array.isArray(chosen.sizes) ? chosen.sizes.filter((one) => one !== "auto") : chosen.tiers.map((tier) => tier.name);
    options(size, [["", "auto"], ...own.map((one) => [one, one]), ...(Array.isArray(chosen.sizes) ? [] : [[CUSTOM, t("prices.custom")]])]);
    options(quality, [["", "auto"], ...Object.keys(chosen.qualities).filter((one) => one !== "auto").sort(cheapest(chosen)).map((one) => [one, one])]);
  }

  async function ask(values) {
    offer(values);
    custom.hidden = size.value !== CUSTOM;
    const mine = (round += 1);
    clear(form);
    const wanted = {
      model: values.model || models[0],
      size: size.value === CUSTOM ? `${values.width || 1024}x${values.height || 1024}` : size.value || "auto",
      quality: quality.value || "auto",
      n: values.n === "" ? 1 : Number(values.n),
      operation: values.operation || "generation",
      overage: values.overage || settings.overage,
    };
    try {
      const quote = await post("/v1/quotes", wanted);
      if (mine === round) replace(answer, quoted(quote, wanted, available));
    } catch (problem) {
      if (mine !== round) return;
      const rules = book.models[wanted.model]?.sizes ?? {};
      replace(answer, refuse(form, problem, FIELDS, { ...rules, most: MOST }) ?? el("p", { class: "notice warn" }, t("prices.refused")));
    }
  }

  // What the address asks for has to be among the options before it can be chosen.
  model.value = read(NAMES).model;
  offer(read(NAMES));
  const address = bind(form, NAMES, ask);
  ask(address.values());
  return card(t("prices.calculator"), form, answer);
}

function quoted(quote, wanted, available) {
  const [cost, most] = [figure(t("prices.quote"), { tone: "first" }), figure(t("prices.at_most"))];
  cost.number.textContent = plural("unit.credits", quote.credits);
  cost.note.textContent = plural("prices.each", quote.n, { each: number(quote.credits_per_image) });
  most.number.textContent = plural("unit.credits", quote.max_credits);
  most.note.textContent = t(quote.max_credits === quote.credits ? (wanted.overage === "cap" ? "prices.capped" : "prices.flat") : "prices.may_grow");
  const short = BigInt(quote.credits) - BigInt(available);
  return [
    el("div", { class: "figures" }, cost.node, most.node),
    facts([
      [t("prices.read_size"), quote.size_tier],
      [t("charge.billed_quality"), quote.billed_quality === wanted.quality ? quote.billed_quality
        : t("prices.read_as", { asked: wanted.quality, billed: quote.billed_quality })],
      [t("charge.price_version"), number(quote.price_version)],
      [t("overview.available"), number(available)],
    ]),
    el("p", { class: `notice ${short > 0n ? "warn" : "good"}` }, short > 0n ? plural("prices.short", short) : t("prices.enough")),
    el("p", { class: "muted" }, t("prices.failed_free")),
  ];
}

fill(content, async () => {
  const [book, settings, balance] = await Promise.all([
    get("/v1/price-books/current"), get(accountPath()), get(accountPath("balance")),
  ]);
  return [
    calculator(book, settings, balance.available),
    el("div", { class: "pair matrix" }, Object.entries(book.models).map(matrix)),
    el("p", { class: "muted" }, t("prices.version", { version: book.version }), " ", moment(book.effective_from)),
  ];
});
