// Spend: usage across accounts, and which accounts it was.

import { el } from "../dom.js";
import { pagePathOf } from "../page.js";
import { link } from "../parts.js";
import { report } from "../usage.js";

report({
  path: "/v1/usage",
  dimensions: ["account_id", "model", "size_tier", "quality", "operation", "api_key_id", "end_user"],
  usual: "account_id",
  also: ["account_id"],
  linked: (account) => link(pagePathOf(account, "usage"), el("code", {}, account)),
});
