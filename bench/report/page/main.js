// Puts the page together, and keeps it in line with what the reader chooses.

async function main() {
  const content = await readContent();
  const cases = casesOf(content);
  const leads = unpacked(content.leads);
  cases.forEach((record, index) => { record.index = index; record.leads = leads[index]; record.place = placeOf(record); });
  for (const [metric, { cells }] of Object.entries(content.said)) SAID[metric] = unpacked(cells);
  const page = { content, cases, columns: Object.keys(content.cases), state: stateIn(content), severalRuns: distinct(cases.map((r) => r.run)).length > 1, choose, shown: () => page.matrix.shownCases };
  page.style = styleOf(distinct(cases.map(seriesOf(page))));
  theme();
  if (!cases.length) {
    document.getElementById("count").textContent = "There are no cases to compare.";
    document.documentElement.dataset.ready = "yes";
    return;
  }

  buildFilters(page);
  page.matrix = buildMatrix(page);
  buildDownloads(page);
  // What is out of sight is drawn when it comes into it, or when it is printed.
  const sections = { overall: showOverall, calls: showCalls, roofline: showRoofline, agreement: showAgreement };
  const stale = new Set(Object.keys(sections)), seen = new Set(["overall"]);
  const draw = (name) => { if (stale.delete(name)) sections[name](page); };
  const watch = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) { seen.add(target.id); draw(target.id); } else seen.delete(target.id);
    }
  }, { rootMargin: "300px" });
  for (const name of Object.keys(sections)) watch.observe(document.getElementById(name));
  window.addEventListener("beforeprint", () => Object.keys(sections).forEach(draw));
  let resizing;
  window.addEventListener("resize", () => { clearTimeout(resizing); resizing = setTimeout(() => { Object.keys(sections).forEach((name) => stale.add(name)); seen.forEach(draw); }, 150); });
  window.addEventListener("hashchange", () => { if (location.hash.includes("=") || !location.hash) { page.state = stateIn(content); showInFilters(page.state); show(); } });
  // A link to a section must not take what was chosen out of the address.
  for (const link of document.querySelectorAll('.contents a, .skip')) {
    link.addEventListener("click", (event) => {
      if (!fragmentOf(page.state)) return;
      event.preventDefault();
      const section = document.querySelector(link.hash);
      section.scrollIntoView();
      section.setAttribute("tabindex", -1);
      section.focus({ preventScroll: true });
    });
  }
  for (const id of ["kernel", "case"]) {
    const dialog = document.getElementById(id);
    dialog.addEventListener("close", () => {
      // The event comes late: Forward may have opened it again.
      if (dialog.open) return;
      choose(id === "kernel" ? { open: "" } : { case: "" });
      if (page.opener?.isConnected) page.opener.focus();
    });
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  }
  show();
  document.documentElement.dataset.ready = "yes";
  performance.mark("drawn");

  function choose(change) {
    const before = page.state;
    page.state = { ...before, ...change };
    if (fragmentOf(page.state) === fragmentOf(before)) return;
    writeState(page.state, (change.open || change.case) && !(before.open || before.case));
    showInFilters(page.state);
    show();
  }

  function show() {
    const chosen = JSON.stringify({ ...page.state, open: "", case: "" });
    if (page.drawn !== chosen) {
      showMatrix(page.matrix);
      Object.keys(sections).forEach((name) => stale.add(name));
      // The answer to the choice first; the pictures in sight when that is painted.
      requestAnimationFrame(() => setTimeout(() => seen.forEach(draw)));
      page.drawn = chosen;
    }
    showKernel(page);
    showCase(page);
  }
}

// What the address asks for; of a figure that no case has, the first that some have.
function stateIn(content) {
  const state = readState();
  return Object.hasOwn(content.said, state.metric) ? state : { ...state, metric: Object.keys(content.said)[0] ?? DEFAULTS.metric };
}

function theme() {
  const button = document.getElementById("theme");
  const root = document.documentElement;
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  const tell = () => { button.textContent = dark() ? "light" : "dark"; button.setAttribute("aria-label", `Switch to ${dark() ? "light" : "dark"} colours`); };
  button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; tell(); });
  button.removeAttribute("aria-pressed");
  button.hidden = false;
  tell();
}

main().catch((fault) => {
  document.getElementById("count").textContent = `The page could not be drawn (${fault.message}): a browser of 2024 or later is needed. \`xpbench table\` prints the same.`;
  throw fault;
});
