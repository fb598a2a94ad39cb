// What the reader has chosen, which lives in the fragment of the address, so that a link shows the same.

const DEFAULTS = {
  run: "", chapter: "", size: "", dtype: "", precision: "", threads: "", device: "", kernel: "", what: "", hide: "", metric: "latency",
  sort: "", order: "", open: "", case: "",
};

function readState() {
  const text = location.hash.slice(1);
  const state = { ...DEFAULTS };
  // A fragment without "=" is the name of a section.
  if (!text.includes("=")) return state;
  for (const [key, value] of new URLSearchParams(text)) {
    if (Object.hasOwn(DEFAULTS, key)) state[key] = value;
  }
  return state;
}

// The fragment that stands for `state`; what is as it was at first is left out.
function fragmentOf(state) {
  const chosen = Object.entries(state).filter(([key, value]) => value !== DEFAULTS[key]);
  return chosen.length ? `#${new URLSearchParams(chosen)}` : "";
}

// What is opened over the page is a step that the browser's Back undoes; another choice is none.
function writeState(state, opened) {
  const fragment = fragmentOf(state);
  if (location.hash === fragment) return;
  history[opened ? "pushState" : "replaceState"](null, "", fragment || location.pathname + location.search);
}
