// Puts the page together: the parts that show something, the connection that feeds them, the keys.

import { create as createBanners } from "./banners.js";
import { create as createCards } from "./cards.js";
import { connect } from "./connection.js";
import { create as createControl } from "./control.js";
import { createDrift, createG2, createProfile, createTau, createVariance } from "./curves.js";
import { create as createFrame } from "./frame.js";
import { createMap, createTtcf } from "./heatmap.js";
import { listen } from "./keys.js";
import { create as createLists } from "./lists.js";
import { create as createLog } from "./log.js";
import { create as createSpecimen } from "./specimen.js";
import { create as createTheme } from "./theme.js";
import { create as createTimeline } from "./timeline.js";

const KEPT_FRAMES = 500;

const get = (id) => document.getElementById(id);

// What the tests in a real browser measure: how often and how late the page paints, and whether it came back.
// `painted` has [number, time on the run's clock in s, when it was on the screen in epoch ms] of the newest frames.
const counters = { paints: 0, lastPaintMs: 0, frames: 0, painted: [], reconnects: 0 };
window.annealscope = counters;

const banners = createBanners({
  alarm: get("alarm-banner"), prompt: get("prompt-banner"), line: get("line-banner"), life: get("life-banner"),
  stale: get("stale-banner"),
});
const cards = createCards(document);
const parts = [
  banners, cards,
  createTimeline(get("timeline"), get("protocol-note")),
  createLists({ go: get("go"), holds: get("holds"), alarms: get("alarms") }),
  createLog(get("log"), document.querySelector(".filter")),
  createSpecimen(get("specimen"), get("specimen-note")),
  createControl(get("control"), get("confirm")),
  createFrame(get("frame")), createG2(get("g2")), createTau(get("tau")), createDrift(get("drift")),
  createVariance(get("variance")), createProfile(get("profile")), createTtcf(get("ttcf")), createMap(get("map")),
];

// A part that fails must not take the others with it, nor the answer to the server.
function each(act) {
  for (const part of parts) {
    try { act(part); } catch (error) { console.error(error); }
  }
}

let recorded = null;

function paint(messages, painted) {
  const begin = performance.now();
  for (const message of messages.values()) {
    arrange(message);
    each((part) => part.show(message));
  }
  // The pixels are on the screen after this task, so the answer and the clock wait for the next one.
  setTimeout(() => { count(messages, begin); painted(); });
}

function count(messages, begin) {
  counters.paints += 1;
  counters.lastPaintMs = performance.now() - begin;
  const frame = messages.get("frame");
  if (!frame) return;
  counters.frames += 1;
  counters.painted.push([frame.seq, frame.t_s, Date.now()]);
  if (counters.painted.length > KEPT_FRAMES) counters.painted.shift();
}

// The panels that there is something to show in. Between two acquisitions, and while the drift is watched, those of
// the last one stay; a page that comes then knows it from its preview.
function arrange({ kind, plan, hold, life, method }) {
  const { dataset } = document.body;
  if (kind === "hello") dataset.plan = plan ? "yes" : "no";
  if (kind === "frame" || life === "live") dataset.views = "yes";
  if (kind === "preview" && !recorded) dataset.method = method;
  if (kind !== "state") return;
  recorded = hold?.method && hold.method !== "watch" ? hold.method : null;
  if (recorded) dataset.method = recorded;
}

function tellLine(isConnected) {
  get("line").dataset.tone = isConnected ? "good" : "bad";
  get("line").setAttribute("aria-label", isConnected ? "connected" : "not connected");
  if (isConnected) banners.connected();
  else banners.lost();
}

let wasConnected = false;
connect(new URL("/ws", location.href.replace(/^http/, "ws")), {
  paint,
  opened() {
    if (wasConnected) counters.reconnects += 1;
    wasConnected = true;
    tellLine(true);
  },
  lost: () => tellLine(false),
});

createTheme(get("theme"), () => each((part) => part.theme?.()));
get("help-button").addEventListener("click", () => get("help").showModal());
get("full").addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else get("p-frame").requestFullscreen();
});
listen();
cards.tick();
setInterval(() => { cards.tick(); banners.tick(); }, 1000);
