// The plots of the overview: fetched every few seconds while somebody looks, drawn by uPlot in the colours of the page.
"use strict";

const EVERY = 5000;
const HEIGHT = 165;
const holder = document.getElementById("plots");
const stale = document.getElementById("stale");
const drawn = [];
let timer = 0;

const perSecond = (name) => (data) => data[name].map((count, at) => count / (data.seconds[at] || 1));
const plain = (name) => (data) => data[name];

const PLOTS = {
  rates: {
    series: [
      ["accepted", perSecond("accepted")],
      ["failed", perSecond("failed")],
      ["delivered", perSecond("delivered")],
      ["deferred", perSecond("deferred")],
      ["refused", perSecond("refused")],
    ],
    shown: (value) => (value === 0 ? "0" : value < 10 ? value.toFixed(2) : Math.round(value).toLocaleString("en")),
    zero: true,
  },
  delays: {
    series: [["p50", plain("p50")], ["p95", plain("p95")], ["p99", plain("p99")]],
    shown: time,
    dots: true,
  },
  queue: {
    series: [["messages", plain("queue")]],
    shown: (value) => Math.round(value).toLocaleString("en"),
    zero: true,
    whole: true,
  },
  loop: {
    series: [["sync", plain("sync")], ["lag", plain("lag")]],
    shown: time,
    zero: true,
  },
};
const DASHES = [[], [8, 4], [2, 3], [12, 4, 2, 4], [5, 5]]; // lines differ by more than colour

function time(seconds) {
  if (seconds >= 3600) return `${+(seconds / 3600).toPrecision(3)} h`;
  if (seconds >= 60) return `${+(seconds / 60).toPrecision(3)} min`;
  if (seconds >= 1) return `${+seconds.toPrecision(3)} s`;
  return `${+(seconds * 1000).toPrecision(3)} ms`;
}

// 24 hours, and seconds only where ticks are closer than a minute.
function clock(u, ticks, at, space, step) {
  const two = (number) => String(number).padStart(2, "0");
  return ticks.map((tick) => {
    const when = new Date(tick * 1000);
    return `${two(when.getHours())}:${two(when.getMinutes())}${step < 60 ? `:${two(when.getSeconds())}` : ""}`;
  });
}

function options(plot, width) {
  const style = getComputedStyle(holder);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
  const shown = (value) => (value == null ? "–" : plot.shown(value));
  return {
    width,
    height: HEIGHT,
    legend: { live: true },
    cursor: { y: false, drag: { setScale: false } },
    scales: { y: { range: plot.zero ? (u, low, high) => [0, Math.max(high * 1.1, plot.whole ? 1 : 0.001)] : undefined } },
    axes: [{ ...axis, values: clock, space: 70, size: 34 }, { ...axis, size: 64, values: (u, ticks) => ticks.map((tick) => (plot.whole && tick % 1 ? "" : shown(tick))) }],
    series: [
      { label: "at", value: "{HH}:{mm}:{ss}" },
      ...plot.series.map(([label], at) => ({
        label,
        stroke: colour(`--plot-${at}`),
        width: 2,
        dash: DASHES[at],
        spanGaps: false,
        points: { show: plot.dots === true, size: 4, fill: colour(`--plot-${at}`) },
        value: (u, value) => shown(value),
      })),
    ],
  };
}

function columns(plot, data) {
  return [data.times, ...plot.series.map(([, read]) => read(data))];
}

function draw(data) {
  holder.classList.add("drawn");
  for (const one of drawn.splice(0)) one.chart.destroy();
  for (const element of holder.querySelectorAll("[data-plot]")) {
    const plot = PLOTS[element.dataset.plot];
    const chart = new uPlot(options(plot, element.clientWidth), columns(plot, data), element);
    drawn.push({ plot, chart, element });
  }
}

let shownData = null;

async function look() {
  clearTimeout(timer);
  if (!document.hidden) {
    try {
      const answer = await fetch(holder.dataset.source, { headers: { Accept: "application/json" }, cache: "no-store" });
      if (answer.redirected) return location.reload(); // to the log-in: the session is over
      if (!answer.ok) throw new Error(String(answer.status));
      shownData = await answer.json();
      stale.hidden = true;
      if (drawn.length) for (const { plot, chart } of drawn) chart.setData(columns(plot, shownData));
      else draw(shownData);
    } catch {
      stale.hidden = false;
    }
  }
  timer = setTimeout(look, EVERY);
}

document.addEventListener("visibilitychange", () => document.hidden || look());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => shownData && draw(shownData));
addEventListener("resize", () => {
  for (const { chart, element } of drawn) chart.setSize({ width: element.clientWidth, height: HEIGHT });
});
look();
