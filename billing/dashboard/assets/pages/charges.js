// Nothing yet.

import { content } from "../page.js";
import { empty } from "../states.js";
import { replace } from "../dom.js";
import { t } from "../texts.js";

replace(content, empty(t("state.unfinished")));
