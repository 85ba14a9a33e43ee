// What must not be overlooked: alarms, questions, a lost connection, a run that is not live, old data.

import { h } from "./dom.js";
import { duration } from "./format.js";

const LIVES = {
  waiting: ["info", "Waiting for the run"],
  starting: ["info", "Starting"],
  ended: ["info", "The run has ended"],
  died: ["bad", "The run has died"],
  unreachable: ["bad", "The run is out of reach"],
  "no run": ["bad", "No run here"],
};
const LOST = { title: "Connection to the monitor lost", text: "– trying again. What you see is old.", tone: "warn" };
const GONE = { title: "The monitor has ended with the run", text: "– this is what it showed last.", tone: "info" };

/** Whether the outcome of a run is one that somebody should see to. */
export const endedBadly = (outcome) => ["aborted", "failed", "crashed"].includes(outcome);

const LEAST_STALE_S = 3;
const STALE_FRAMES = 3;

/** Speak through the elements of the banners; `connected`, `lost` and, every second, `tick` come from outside. */
export function create({ alarm, prompt, line, life, stale }) {
  let hello = {};
  let state = null;
  let heard_ms = Date.now();
  let isLost = false;
  const say = {
    alarm: speaker(alarm), prompt: speaker(prompt), line: speaker(line), life: speaker(life), stale: speaker(stale),
  };

  function tick() {
    if (!state) return;
    const old = staleness(state, (Date.now() - heard_ms) / 1000);
    say.stale(old);
    document.body.classList.toggle("old", isLost || old !== null);
  }

  return {
    show(message) {
      if (message.kind === "hello") hello = message;
      if (message.kind !== "state") return;
      [state, heard_ms] = [message, Date.now()];
      document.body.dataset.life = state.life;
      say.alarm(alarmOf(hello, state));
      say.prompt(question(hello, state));
      say.life(lifeOf(state));
      document.title = pageTitle(hello, state);
      tick();
    },
    tick,
    connected: () => { isLost = false; say.line(null); tick(); },
    lost: () => {
      const over = state?.life === "ended";
      isLost = !over;
      say.line(over ? { ...GONE, command: command("monitor", hello) } : LOST);
      tick();
    },
  };
}

// Writes {title, text, command, tone} into a banner; null hides it. The same text is not announced twice.
function speaker(element) {
  let before = "";
  return (message) => {
    const now = JSON.stringify(message);
    if (now === before) return;
    before = now;
    element.hidden = !message;
    if (!message) return;
    element.dataset.tone = message.tone;
    element.replaceChildren(h("strong", {}, message.title), h("span", {}, message.text));
    if (message.command) element.append(h("code", {}, message.command));
  };
}

function alarmOf(hello, { status }) {
  if (!status?.alarm) return null;
  const order = status.order || status.prompt;
  const todo = order && order !== status.alarm ? `To do: ${order}` : "Go to the microscope.";
  return { title: "Alarm", text: `${status.alarm} ${todo}`, command: command("status", hello), tone: "bad" };
}

function question(hello, { life, status, prompt_since_s }) {
  const asked = status?.order || status?.prompt;
  if (!asked || life !== "live") return null;
  const since = Number.isFinite(prompt_since_s) ? ` Asked ${duration(tens(status.t_s - prompt_since_s))} ago.` : "";
  return { title: "The run asks you", text: asked + since, command: command("resume", hello), tone: "warn" };
}

const command = (verb, { folder }) => `annealscope ${verb} ${folder ?? "RUN"}`;

// Steps of ten seconds, of a minute after ten: a screen reader is not told every second.
const tens = (seconds) => { const step = seconds < 600 ? 10 : 60; return Math.floor(seconds / step) * step; };

function lifeOf({ life, message, outcome }) {
  if (!(life in LIVES)) return null;
  const [usual, title] = LIVES[life];
  const tone = endedBadly(outcome) ? "bad" : usual;
  return { title, text: message ?? "", tone };
}

function staleness({ life, quiet_s, hold }, waited_s) {
  const quiet = (quiet_s ?? 0) + waited_s;
  if (life !== "live" || quiet <= Math.max(STALE_FRAMES * (hold?.period_s ?? 0), LEAST_STALE_S)) return null;
  return { title: `No news for ${duration(quiet)}`, text: "– what you see is old.", tone: "warn" };
}

// The tab says what matters when another one is looked at.
function pageTitle(hello, { life, status }) {
  const mark = status?.alarm ? "ALARM · " : status?.prompt ? "? · " : "";
  const what = life === "live" && status ? `${status.temperature_degC?.toFixed(0)} °C · ${status.step}` : life;
  return `${mark}${what} · ${hello.run ?? "annealscope"}`;
}
