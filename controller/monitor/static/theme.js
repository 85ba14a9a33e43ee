// Light and dark: what the system wants, until the button says otherwise.

const KEY = "annealscope-theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

/** Make the button change the colours; changed() is called whenever they did. */
export function create(button, changed) {
  apply(localStorage.getItem(KEY), button);
  dark.addEventListener("change", () => { label(button); changed(); });
  button.addEventListener("click", () => {
    const next = isDark() ? "light" : "dark";
    localStorage.setItem(KEY, next);
    apply(next, button);
    changed();
  });
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : dark.matches;
}

function apply(theme, button) {
  if (theme) document.documentElement.dataset.theme = theme;
  label(button);
}

function label(button) {
  button.setAttribute("aria-label", `Change to ${isDark() ? "light" : "dark"} colours`);
}
