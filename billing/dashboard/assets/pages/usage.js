// Usage: what was spent, over time and by what.

import { accountPath } from "../page.js";
import { report } from "../usage.js";

report({
  path: accountPath("usage"),
  dimensions: ["model", "size_tier", "quality", "operation", "api_key_id", "end_user"],
  usual: "model",
});
