// Commands to the run: only when the monitor was started with --control and the address carried its token.

import { h, setText } from "./dom.js";

const KEY = "annealscope-token";
const COMMANDS = {
  pause: "finish the frame, blank the beam, keep the temperature",
  resume: "go on; also answers a question of the run",
  skip: "end this step properly and go on with the next",
  park: "The acquisition ends, it cools down, all is switched off; `annealscope continue` goes on another day.",
  stop: "The planned cool-down begins now, then everything is switched off. The rest of the protocol is not done.",
  abort: "The protocol's safe ramp begins at once, then everything is switched off. Frames of the open hold are kept.",
};
const CONFIRMED = ["park", "stop", "abort"];

/** Put the buttons into `element`; `dialog` asks whether a run is really to be ended. */
export function create(element, dialog) {
  const token = takeToken();
  const result = h("p", { role: "status", class: "sub" });
  const buttons = Object.keys(COMMANDS).map((name) => button(name, () => press(name)));
  element.replaceChildren(h("header", {}, h("h2", {}, "Commands")), h("p", { class: "row" }, ...buttons), result);

  async function press(name) {
    const wanted = !CONFIRMED.includes(name) || (await confirmed(dialog, name));
    setText(result, wanted ? `${name} …` : `${name}: not sent`);
    if (wanted) setText(result, await send(name, token));
  }

  return {
    show(message) {
      if (message.kind === "hello") element.hidden = !(message.control && token);
      if (message.kind === "state") buttons.forEach((one) => { one.disabled = message.life !== "live"; });
    },
  };
}

// The token comes behind the # of the address, which no server is sent, and leaves the address at once.
function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem(KEY, given);
    history.replaceState(null, "", location.pathname + location.search);
  }
  return sessionStorage.getItem(KEY);
}

function button(name, press) {
  const dangerous = CONFIRMED.includes(name);
  const attributes = { type: "button", class: dangerous ? "danger" : null, title: COMMANDS[name], disabled: true };
  const node = h("button", attributes, name);
  node.addEventListener("click", press);
  return node;
}

// Resolves to true when the name of the command was typed.
function confirmed(dialog, name) {
  const [input, yes] = [dialog.querySelector("input"), dialog.querySelector("[value=yes]")];
  setText(dialog.querySelector("h2"), `${name[0].toUpperCase()}${name.slice(1)} the run?`);
  setText(dialog.querySelector("#confirm-what"), COMMANDS[name]);
  setText(dialog.querySelector("kbd"), name);
  setText(yes, name);
  input.value = "";
  yes.disabled = true;
  input.oninput = () => { yes.disabled = input.value.trim() !== name; };
  input.onkeydown = (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();  // the key would press the first button of the form
    if (!yes.disabled) dialog.close("yes");
  };
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

// A refusal says why, as JSON or as plain text.
function reason(text) {
  try { return JSON.parse(text).why; } catch { return text.trim(); }
}

// Sends a command; returns in words what came of it.
async function send(command, token) {
  try {
    const answer = await fetch("/api/command", {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
      body: JSON.stringify({ command }),
    });
    return `${command}: ${answer.ok ? "accepted" : `refused: ${reason(await answer.text())}`}`;
  } catch {
    return `${command}: the monitor does not answer. From a terminal: annealscope ${command} RUN`;
  }
}
