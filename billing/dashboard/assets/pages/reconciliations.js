// Reconciliations: a manifest of what was delivered is compared with what was charged; and those that were.

import { el } from "../dom.js";
import { number } from "../format.js";
import { content } from "../page.js";
import { card, choice, code, field, link, moment } from "../parts.js";
import { difference, standing } from "../reconciliation.js";
import { replace } from "../dom.js";
import { listing } from "../table.js";
import { plural, t } from "../texts.js";
import { uploading } from "../upload.js";

const PATH = "/v1/reconciliations";
const TYPES = { csv: "text/csv", jsonl: "application/x-ndjson", ndjson: "application/x-ndjson", parquet: "application/vnd.apache.parquet" };
const ending = (file) => file.name.toLowerCase().split(".").at(-1);
const begins = (day, more = 0) => (day ? `${new Date(Date.parse(`${day}T00:00:00Z`) + more * 86_400_000).toISOString().slice(0, 19)}Z` : null);
const usual = () => `manifest-${new Date().toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-")}`;

const name = el("input", { name: "reconciliation_id", required: true, maxlength: 64, pattern: "[A-Za-z0-9_.:\\-]+", autocomplete: "off", spellcheck: "false", value: usual() });
const account = el("input", { name: "account_id", maxlength: 64, autocomplete: "off", spellcheck: "false" });
const from = el("input", { type: "date", name: "start" });
const to = el("input", { type: "date", name: "end" });
const complete = choice("complete", [["", t("reconciliations.complete.usual")], ["true", t("reconciliations.complete.true")], ["false", t("reconciliations.complete.false")]]);

const page = (id) => `/reconciliations/${encodeURIComponent(id)}`;
const sending = uploading({
  label: t("reconciliations.manifest"),
  hint: t("reconciliations.manifest.hint"),
  accept: ".csv,.jsonl,.ndjson,.parquet",
  path: PATH,
  query: () => ({
    reconciliation_id: name.value.trim(), account_id: account.value.trim(), start: begins(from.value), end: begins(to.value, 1),
    complete: complete.value, name: sending.form.elements.file.files[0].name.replace(/[^ -~]/g, "?").slice(0, 200),
  }),
  type: (file) => TYPES[ending(file)] ?? "text/csv",
  button: t("reconciliations.compare"),
  more: [
    field(t("reconciliations.name"), name, { hint: t("reconciliations.name.hint") }),
    el("div", { class: "filters" }, field(t("reconciliations.from"), from), field(t("reconciliations.to"), to),
      field(t("trial_balance.of_account"), account), field(t("reconciliations.complete"), complete)),
  ],
  said: (one) => el("p", { class: "notice good" }, plural("reconciliations.compared", one.lines), " ", link(page(one.reconciliation_id), t("reconciliations.see"))),
  done: (one) => location.assign(page(one.reconciliation_id)),
});

replace(content,
  card(t("reconciliations.new"), sending.node),
  card(t("reconciliations.all"), listing({
    path: PATH,
    caption: t("reconciliations.title"),
    nothing: t("reconciliations.none"),
    columns: [
      { label: t("reconciliations.name"), cell: (one) => el("div", {}, link(page(one.reconciliation_id), code(one.reconciliation_id)), el("span", { class: "aside" }, one.manifest)) },
      { label: t("charge.status"), cell: standing },
      { label: t("reconciliations.made"), cell: (one) => el("div", {}, moment(one.created_at), el("span", { class: "aside" }, one.created_by)) },
      { label: t("reconciliations.rows"), kind: "number", cell: (one) => number(one.rows) },
      { label: t("reconciliations.lines"), kind: "number", cell: (one) => number(one.lines) },
      { label: t("reconciliations.difference"), kind: "number", cell: (one) => difference(one.difference_credits) },
    ],
  }).node));
