// Words and parts of reconciliations that their list and their page share.

import { number, signed } from "./format.js";
import { badge } from "./parts.js";

const STATES = { compared: "busy", awaiting_approval: "warn", applying: "busy", applied: "good" };
export const KINDS = [
  "charged_not_delivered", "delivered_not_charged", "wrong_size_tier", "failed_yet_billed", "unmeasured_now_measured",
  "count_differs", "unrequested", "other_price_book", "other_account", "size_differs",
];
export const ACTIONS = ["correct", "settle", "person", "none"];
export const OUTCOMES = ["posted", "refused", "nothing"];

export const standing = (one) => badge("reconciliation_state", one.state, STATES[one.state]);
export const difference = (credits) => (Number(credits) ? signed(credits) : number(0));
