// Keys do what the element does that names them in its aria-keyshortcuts: buttons are pressed, panels get the focus.

/** Listen for keys, everywhere but where one types. */
export function listen() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const named = [...document.querySelectorAll(`[aria-keyshortcuts~="${CSS.escape(event.key.toLowerCase())}"]`)];
    const target = named.find((element) => element.offsetParent !== null);
    if (!target) return;
    event.preventDefault();
    act(target);
  });
}

function act(target) {
  if (target.matches("button")) return target.click();
  target.focus();
  return target.scrollIntoView({ block: "nearest" });
}

const isTyping = (target) => target.closest("dialog, select, input:not([type=radio]), textarea") !== null;
