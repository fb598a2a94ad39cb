// Which cases are shown: the controls, and what they let through.

const WHAT = {
  "": ["everything", () => true],
  leads: ["★ not the baseline", (record) => record.leads && record.place !== record.baseline],
  faster: ["faster", (record) => record.verdict === "faster"],
  slower: ["slower", (record) => record.verdict === "slower"],
  unclear: ["unclear", (record) => record.verdict === "unclear"],
  wrong: ["WRONG", (record) => record.agrees === false],
  words: ["not timed", (record) => record.time_s === null],
  disturbed: ["disturbed", (record) => record.disturbed > 0],
};

const sizeName = (record) => record.size_name ?? record.size;

// What a row or a column must be, for each control: the label, and what it asks of a case.
const CONTROLS = {
  run: ["run", (record) => record.run],
  chapter: ["chapter", (record) => record.chapter ?? "user"],
  size: ["size", sizeName],
  dtype: ["dtype", (record) => record.dtype],
  precision: ["precision", (record) => record.precision],
  threads: ["threads", (record) => String(record.threads)],
  device: ["device", (record) => record.device],
};

// Whether a case is among those that `state` chooses.
function choiceOf(state) {
  const asked = Object.entries(CONTROLS).filter(([key]) => state[key]).map(([key, [, value]]) => (record) => value(record) === state[key]);
  const hidden = hiddenPlaces(state), part = state.kernel.trim().toLowerCase();
  return (record) => record.kernel.toLowerCase().includes(part) && !hidden.has(record.place) && asked.every((holds) => holds(record));
}

const hiddenPlaces = (state) => new Set(state.hide.split(",").filter(Boolean));

function buildFilters(page) {
  const { cases, state, content } = page;
  const form = document.getElementById("filters");
  const controls = [];
  for (const [key, [label, value]] of Object.entries(CONTROLS)) {
    const values = distinct(cases.map(value));
    if (values.length < 2) continue;
    const options = [el("option", { value: "" }, "all"), ...values.map((one) => el("option", { value: one }, visible(one)))];
    controls.push(el("label", {}, label, el("select", { name: key, onchange: changed }, options)));
  }
  const kernels = el("datalist", { id: "kernel-names" }, distinct(cases.map((one) => one.kernel)).map((name) => el("option", { value: name })));
  controls.push(el("label", {}, "kernel", el("input", { type: "search", name: "kernel", list: "kernel-names", size: 16, autocomplete: "off", oninput: changed }), kernels));
  const what = Object.entries(WHAT).map(([value, [text]]) => el("option", { value }, text));
  controls.push(el("label", {}, "show rows with", el("select", { name: "what", onchange: changed }, what)));
  const metrics = Object.entries(content.said).map(([value]) => el("option", { value }, value.replaceAll("_", " ")));
  controls.push(el("label", {}, "figure", el("select", { name: "metric", onchange: changed }, metrics)));
  const places = distinct(cases.map((r) => r.place));
  if (places.length > 1) {
    const boxes = places.map((place) => el("label", {}, el("input", { type: "checkbox", name: "place", value: place, checked: true, onchange: changed }), headingOf(place)));
    controls.push(el("fieldset", {}, el("legend", {}, "columns"), boxes));
  }
  controls.push(el("button", { type: "reset" }, "show all"));
  form.append(...controls);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    page.choose({ ...DEFAULTS });
  });
  form.hidden = false;
  showInFilters(state);

  function changed() {
    const chosen = {};
    for (const control of form.elements) {
      if (control.name in DEFAULTS) chosen[control.name] = control.value;
    }
    const boxes = [...form.elements].filter((control) => control.name === "place");
    chosen.hide = boxes.filter((box) => !box.checked).map((box) => box.value).join(",");
    page.choose(chosen);
  }
}

function showInFilters(state) {
  const hidden = hiddenPlaces(state);
  for (const control of document.getElementById("filters").elements) {
    if (control.name === "place") control.checked = !hidden.has(control.value);
    else if (control.name in DEFAULTS && control.value !== state[control.name]) {
      control.value = state[control.name];
      // A link may name what these runs do not have: then nothing passes, and the control must say so.
      if (control.value !== state[control.name]) control.append(el("option", { value: state[control.name] }, `${visible(state[control.name])} (not here)`)), control.value = state[control.name];
    }
  }
}
