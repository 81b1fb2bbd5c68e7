// Stacked bars over periods, on a canvas in the page's colours. The table beside it says the same.

import { colour, onThemeChange } from "./colours.js";
import { el, replace } from "./dom.js";
import { language } from "./page.js";
import uPlot from "./vendor/uPlot.esm.js";

const HEIGHT = 280;
const STEPS = [1, 2, 3, 4, 6, 7, 12, 14, 24, 28, 48, 56, 96, 112, 192, 384];
const ROUND = Array.from({ length: 16 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();
const CENTS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5];
const fine = new Intl.NumberFormat(language, { notation: "compact", maximumFractionDigits: 2 });
const compact = new Intl.NumberFormat(language, { notation: "compact", maximumFractionDigits: 1 });

const property = (one, place) => (one.rest ? "--chart-other" : `--chart-${(place % 10) + 1}`);

// periods: [{ short, long }]; series: [{ label, values: [number], rest }]; says(place) is the text of one period. Counts
// unless `fractions`, as money has them.
export function chart({ label, periods, series, says, fractions = false }) {
  const readout = el("p", { class: "readout", "aria-live": "polite" });
  const canvas = el("div", { class: "canvas", role: "img", "aria-label": label });
  const node = el("div", { class: "chart", tabindex: "0", role: "group", "aria-label": label }, readout, canvas);
  let plot = null;
  let place = null;

  function show(at) {
    place = at;
    replace(readout, says(at));
  }

  function draw() {
    const width = canvas.clientWidth;
    if (!width) return;
    plot?.destroy();
    plot = new uPlot(options({ width, periods, series, show, fractions }), stacked(periods, series), canvas);
  }

  function move(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (!steps || !plot) return;
    event.preventDefault();
    const from = place ?? (steps > 0 ? -1 : periods.length);
    const at = Math.max(0, Math.min(periods.length - 1, from + steps));
    plot.setCursor({ left: plot.valToPos(at, "x"), top: 0 });
    show(at);
  }

  node.addEventListener("keydown", move);
  onThemeChange(draw);
  new ResizeObserver(() => {
    if (!plot) draw();
    else if (plot.width !== canvas.clientWidth && canvas.clientWidth) plot.setSize({ width: canvas.clientWidth, height: HEIGHT });
  }).observe(canvas);
  show(null);
  return node;
}

// Each series drawn up to the sum of those before it, what is below zero by itself: the tallest first, the others over it.
function stacked(periods, series) {
  const sums = series.map(() => new Array(periods.length));
  periods.forEach((_, at) => {
    let [above, below] = [0, 0];
    series.forEach(({ values }, place) => {
      const value = values[at];
      if (value < 0) below += value;
      else above += value;
      sums[place][at] = value < 0 ? below : above;
    });
  });
  return [periods.map((_, at) => at), ...sums.reverse()];
}

function options({ width, periods, series, show, fractions }) {
  const [text, line] = [colour("--muted"), colour("--line")];
  const bars = uPlot.paths.bars({ size: [0.72, 48] });
  return {
    width,
    height: HEIGHT,
    padding: [12, 8, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false, setScale: false } },
    scales: {
      x: { time: false, range: [-0.6, periods.length - 0.4] },
      y: { range: (_, low, high) => [Math.min(0, low) * 1.08, Math.max(fractions ? 0.01 : 1, high) * 1.06] },
    },
    axes: [
      {
        stroke: text, space: 72, incrs: STEPS, grid: { show: false }, ticks: { stroke: line, size: 5 },
        values: (_, places) => places.map((at) => periods[at]?.short ?? ""),
      },
      {
        stroke: text, incrs: fractions ? [...CENTS, ...ROUND] : ROUND, grid: { stroke: line, width: 1 }, ticks: { show: false },
        values: (_, values) => values.map((value) => (fractions ? fine : compact).format(value)),
        size: (_, values) => 14 + 8 * Math.max(2, ...(values ?? []).map((value) => value.length)),
      },
    ],
    series: [{}, ...series.map((one, place) => ({
      label: one.label, width: 0, fill: colour(property(one, place)), paths: bars, points: { show: false },
    })).reverse()],
    hooks: { setCursor: [({ cursor }) => show(cursor.idx ?? null)] },
  };
}

// Names beside the colours they have.
export function legend(series) {
  return el("ul", { class: "legend" }, series.map((one, place) => {
    const swatch = el("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = `var(${property(one, place)})`;
    return el("li", {}, swatch, one.label);
  }));
}
