// The WebSocket to the monitor. Between two paints only the newest message of each kind is kept, and the server sends
// no more before the paint is answered: a slow browser sees fewer pictures, never older ones.

import { decode } from "./packets.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 5000;
// The server says something every second. After this silence the line is dead (a laptop slept, a tunnel broke).
const SILENCE_MS = 12000;
const HIDDEN_PAINT_MS = 1000;

/** Connect and stay connected. paint(messages, painted) draws a Map of the newest messages by kind and then
 * calls painted(); opened() and lost() tell of the connection. */
export function connect(url, { paint, opened, lost }) {
  let waitMs = FIRST_WAIT_MS;
  let line = null;
  let timer = null;

  function open() {
    clearTimeout(timer);
    line = openLine(url, {
      paint,
      opened: () => { waitMs = FIRST_WAIT_MS; opened(); },
      closed: () => { lost(); timer = setTimeout(open, waitMs); waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS); },
    });
  }

  setInterval(() => line.closeIfSilent(), 2000);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    if (line.isClosed()) open();
    else line.paintNow();
  });
  open();
}

// One connection, from its opening to its end.
function openLine(url, { paint, opened, closed }) {
  const socket = new WebSocket(url);
  let newest = new Map();
  let asked = null;
  let heardMs = Date.now();
  let over = false;
  let greeted = false;
  socket.binaryType = "arraybuffer";

  function end() {
    if (over) return;
    over = true;
    socket.close();
    closed();
  }

  function paintNow() {
    if (asked === null || over) return;
    const [messages, { n }] = [newest, asked];
    newest = new Map();
    asked = null;
    paint(messages, () => { if (!over) socket.send(JSON.stringify({ painted: n })); });
  }

  socket.onclose = end;
  socket.onmessage = ({ data }) => {
    const message = decode(data);
    heardMs = Date.now();
    // A server that has too many viewers opens the line and closes it: only news make a connection.
    if (!greeted) opened();
    greeted = true;
    if (message.kind !== "paint") newest.set(message.kind, message);
    else { asked = message; schedule(paintNow); }
  };
  return {
    paintNow,
    isClosed: () => over,
    closeIfSilent: () => { if (Date.now() - heardMs > SILENCE_MS) end(); },
  };
}

// A hidden page has no animation frames; it goes on once a second, for the alarm in its title.
function schedule(paint) {
  if (document.hidden) setTimeout(paint, HIDDEN_PAINT_MS);
  else requestAnimationFrame(paint);
}
