// What every page does: the language's links keep the address, the theme is remembered, the menu shows where we are.

import { zone } from "./zone.js";

const YEAR_SECONDS = 31_536_000;
const root = document.documentElement;

for (const link of document.querySelectorAll("[data-language]")) {
  link.addEventListener("click", () => {
    const address = new URL(location.href); // filters may have changed it since
    address.searchParams.set("lang", link.lang);
    link.href = address.pathname + address.search;
  });
}

const address = new URL(location.href);
if (address.searchParams.has("lang")) { // remembered by a cookie; the address is for what is shown
  address.searchParams.delete("lang");
  history.replaceState(null, "", address);
}

document.getElementById("theme").addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  document.querySelector("meta[name=color-scheme]").content = root.dataset.theme;
  document.cookie = `billing_theme=${root.dataset.theme}; path=/; max-age=${YEAR_SECONDS}; samesite=lax`;
  dispatchEvent(new Event("themechange"));
});

const zoned = document.getElementById("zone");
if (zoned) zoned.textContent = zone;

// Where the menu is a line, it begins at this page. Not scrollIntoView: the Tab key would go on from there.
const current = document.querySelector(".menu [aria-current]");
if (current) {
  const menu = current.closest(".menu");
  const [inner, outer] = [current.getBoundingClientRect(), menu.getBoundingClientRect()];
  menu.scrollLeft += inner.left - outer.left - (outer.width - inner.width) / 2;
}
