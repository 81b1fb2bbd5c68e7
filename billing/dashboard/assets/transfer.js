// A transfer of the wallet as a row: what it did, why, and what it left. Ledger and statements show it alike.

import { el } from "./dom.js";
import { DASH, signed } from "./format.js";
import { pagePath } from "./page.js";
import { code, link } from "./parts.js";
import { t, word } from "./texts.js";

export const KINDS = ["grant", "settle", "refund", "supplement", "reduction", "expire", "revoke", "restore"];

// What it did to the balance, signed.
export const change = (transfer) => (transfer.credit === "wallet" ? transfer.amount : -transfer.amount);
export const changed = (transfer) => signed(change(transfer));
export const kind = (transfer) => word("transfer", transfer.kind);

// What it belongs to: the charge, and the grant that was drawn on or filled.
export function belongs(transfer) {
  const { request_id: request, grant_id: grant, refund_id: refund, amount, kind: what } = transfer;
  const back = ["refund", "reduction"].includes(what);
  const drawn = grant ? t(back ? "ledger.to_grant" : "ledger.grant", { id: grant })
    : t(!Number(amount) ? "ledger.nothing" : back ? "ledger.repaid" : "ledger.debt");
  const parts = [
    request && link(pagePath("charges", request), code(request)),
    refund && el("span", { class: "aside" }, t("ledger.refund", { id: refund })),
    request ? el("span", { class: "aside" }, drawn) : grant && code(grant),
  ].filter(Boolean);
  return parts.length ? el("div", {}, parts) : DASH;
}
