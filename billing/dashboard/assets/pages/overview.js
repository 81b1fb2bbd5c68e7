// Overview: available, held and posted apart; what is in flight; what expires next; what was charged last.

import { get, getOr } from "../api.js";
import { COLUMNS, asked, chargeLink } from "../charge.js";
import { el } from "../dom.js";
import { DASH, credits, date, fromNow, number } from "../format.js";
import { expiry, left } from "../grant.js";
import { countdown, live, redraw, update } from "../live.js";
import { accountPath, content, pagePath } from "../page.js";
import { card, code, figure, link } from "../parts.js";
import { daysAgo } from "../ranges.js";
import { empty, fill } from "../states.js";
import { table } from "../table.js";
import { plural, t, word } from "../texts.js";
import { zone } from "../zone.js";

const IN_FLIGHT = 100;
const LATEST = 8;
const GRANTS = 5;
const DAY_MS = 86_400_000;
const PACE_DAYS = 7;
const TURNS_UNTIL_SURE = 15; // of two seconds: a charge may come and go without moving any figure

const available = figure(t("overview.available"), { tone: "first" });
const held = figure(t("overview.held"));
const posted = figure(t("overview.posted"));
const days = figure(t("overview.days"));
const notices = el("div", { class: "stack" });
const inFlight = el("div");
const grants = el("div");
const latest = el("div");

let seen = null;
let turns = 0;
let flying = [];
let pace; // undefined: not asked yet; null: nobody can say

async function look() {
  const balance = await get(accountPath("balance"));
  const mark = [balance.seq, balance.held, balance.posted, balance.available].join();
  if (mark !== seen || flying.length || (turns += 1) % TURNS_UNTIL_SURE === 0) {
    const [open, last] = await Promise.all([
      get(accountPath("charges"), { status: "authorized", limit: IN_FLIGHT }),
      get(accountPath("charges"), { limit: LATEST }),
    ]);
    flying = open.data;
    showInFlight(open);
    showLatest(last.data);
    seen = mark;
  }
  showFigures(balance);
  showGrants(balance);
}

// What changes seldom, or costs more to know.
async function lookAround() {
  const [settings, balance] = await Promise.all([get(accountPath()), get(accountPath("balance"))]);
  redraw(notices, [settings.status, balance.debt], () => warnings(settings, balance.debt));
  pace = await readPace(settings.created_at);
  showDays(balance);
}

function showFigures(balance) {
  available.node.classList.toggle("bad", balance.available <= 0);
  update(available.number, number(balance.available));
  update(available.note, meaningOfAvailable(balance));
  update(held.number, number(balance.held));
  update(held.note, flying.length ? plural("overview.held_for", flying.length) : t("overview.held_none"));
  update(posted.number, number(balance.posted));
  update(posted.note, t("overview.posted_note"));
  showDays(balance);
}

function meaningOfAvailable(balance) {
  const parts = [
    balance.credit_limit && t("overview.with_limit", { n: number(balance.credit_limit) }),
    balance.frozen && t("overview.without_frozen", { n: number(balance.frozen) }),
    balance.lapsed && t("overview.without_lapsed", { n: number(balance.lapsed) }),
  ].filter(Boolean);
  return [t("overview.available_note"), ...parts].join(" ");
}

function showDays(balance) {
  if (!pace || !(pace.daily > 0)) {
    update(days.number, DASH);
    update(days.note, t(pace ? "overview.no_pace" : pace === null ? "overview.pace_unknown" : "state.loading"));
    return;
  }
  const left = Math.max(0, Number(balance.available)) / pace.daily;
  update(days.number, left < 1 ? t("overview.days_under_one") : left > 999 ? t("overview.days_many") : number(Math.floor(left)));
  update(days.note, t("overview.pace", { n: credits(Math.round(pace.daily)) }));
}

// What was spent a day since the midnight seven days ago, or since the account was opened; null where nobody can say.
async function readPace(opened) {
  try {
    const usage = await getOr(null, accountPath("usage"), {
      start_time: daysAgo(PACE_DAYS, zone), bucket_width: "1d", tz: zone, limit: PACE_DAYS + 1,
    });
    if (!usage) return null;
    const spent = usage.data.flatMap((bucket) => bucket.results).reduce((sum, one) => sum + Number(one.credits), 0);
    const since = Math.max(usage.data[0].start_time * 1000, new Date(opened));
    return { daily: spent / Math.max(1, (Date.now() - since) / DAY_MS) };
  } catch (problem) {
    console.warn(problem);
    return null;
  }
}

function showInFlight(open) {
  redraw(inFlight, open, () => {
    if (!open.data.length) return empty(t("overview.nothing_in_flight"));
    return [
      table({
        caption: t("overview.in_flight"),
        rows: open.data,
        columns: [
          { label: t("charge.request"), cell: chargeLink },
          { label: t("charge.asked"), cell: (charge) => el("div", {}, charge.model, el("span", { class: "aside" }, asked(charge))) },
          { label: t("charge.held"), kind: "number", cell: (charge) => number(charge.held_credits) },
          { label: t("charge.time_left"), kind: "number", cell: (charge) => countdown(charge.expires_at) },
        ],
      }).node,
      open.has_more ? link(`${pagePath("charges")}?status=authorized`, t("overview.all_in_flight")) : null,
    ];
  });
}

function showGrants(balance) {
  redraw(grants, [balance.grants, balance.next_expiry, new Date().toDateString()], () => {
    if (!balance.grants.length) return empty(t("overview.no_grants"));
    const next = balance.next_expiry;
    return [
      next && el("p", { class: "notice" }, t("overview.next_expiry", {
        credits: credits(next.credits), date: date(next.at), when: fromNow(next.at),
      })),
      table({
        caption: t("overview.grants"),
        rows: balance.grants.slice(0, GRANTS),
        columns: [
          { label: t("grants.grant"), cell: (grant) => el("div", {}, code(grant.grant_id), el("span", { class: "aside" }, word("kind", grant.kind))) },
          { label: t("grants.left"), cell: left },
          { label: t("grants.expires"), cell: expiry },
        ],
      }).node,
      link(pagePath("grants"), t("overview.all_grants")),
    ];
  });
}

function showLatest(charges) {
  redraw(latest, charges, () => {
    if (!charges.length) return empty(t("overview.no_charges"));
    return [
      table({ caption: t("overview.latest"), rows: charges, columns: COLUMNS }).node,
      link(pagePath("charges"), t("overview.all_charges")),
    ];
  });
}

function warnings(settings, debt) {
  return [
    settings.status === "suspended" && el("p", { class: "notice bad" }, t("overview.suspended")),
    debt > 0 && el("p", { class: "notice bad" }, t("overview.debt", { credits: credits(debt) })),
  ];
}

fill(content, async () => {
  const settings = await get(accountPath());
  if (settings.name) document.querySelector("h1").append(" ", el("small", { class: "muted" }, settings.name));
  live(look);
  live(lookAround, { every: 60_000 });
  return [
    notices,
    el("div", { class: "figures" }, available.node, held.node, posted.node, days.node),
    el("div", { class: "pair" },
      card(t("overview.in_flight"), inFlight),
      card(t("overview.grants"), grants)),
    card(t("overview.latest"), latest),
  ];
});
