// A kernel, opened by its name: formula, scaling, cost, accuracy, source; and a case, with every figure of it.

function openDialog(page, id, children) {
  const dialog = document.getElementById(id);
  dialog.replaceChildren(...children);
  if (!dialog.open) {
    // What had the focus has it again when the dialog closes; of one opened from another, what opened that.
    if (!document.activeElement.closest("dialog")) page.opener = document.activeElement;
    dialog.showModal();
  }
  dialog.scrollTop = 0;
}

const dialogHead = (id, title, close) => el("div", { class: "masthead" }, el("h2", { id: `${id}-title` }, title), el("button", { type: "button", onclick: close }, "close"));

function showKernel(page) {
  const name = page.state.open;
  const records = page.cases.filter((record) => record.kernel === name);
  const dialog = document.getElementById("kernel");
  if (!name || !records.length) return dialog.open && dialog.close();
  const told = page.content.kernels[visible(name)] ?? {};
  const body = el("div");
  const pictures = el("div");
  openDialog(page, "kernel", [dialogHead("kernel", visible(name), () => dialog.close()), body]);
  const description = (told.description ?? []).map((part) => (part.kind === "formula" ? formulaOf(part) : proseOf(part.text)));
  body.append(...description, pictures, el("h3", {}, "Cost"), costTable(told, records), el("h3", {}, "How errors are measured"), proseOf(told.measure || "Not kept by this run."),
    el("h3", {}, "Source"), el("pre", { tabindex: 0 }, told.source || "Not kept by this run."));
  if (told.as_installed) body.append(el("p", { class: "quiet" }, "This run is too old to keep its kernels' text: it is that of the xpbench which made the page."));
  if (told.several_texts) body.append(el("p", { class: "warning" }, "The runs on this page measured different texts of this kernel; this is the first."));
  drawKernel(page, pictures, records, {});
}

// Text of a docstring: its lines as they are, and what stands in double backticks as code.
function proseOf(text) {
  const lines = (part) => part.split("\n").map(visible).join("\n");
  const parts = text.split(/``(.+?)``/gs).map((part, index) => (index % 2 ? el("code", {}, lines(part)) : lines(part)));
  return el("p", { class: "prose" }, parts);
}

// MathML that was made when the page was: its elements and their text, and nothing else, are taken over.
function formulaOf(part) {
  const parsed = new DOMParser().parseFromString(part.mathml, "text/xml").documentElement;
  const adopt = (node) => {
    if (node.nodeType === Node.TEXT_NODE) return document.createTextNode(node.data);
    const copy = document.createElementNS("http://www.w3.org/1998/Math/MathML", node.localName);
    for (const { name, value } of node.attributes) if (!name.startsWith("on") && !/href|src|style/.test(name)) copy.setAttribute(name, value);
    copy.append(...[...node.childNodes].map(adopt));
    return copy;
  };
  if (parsed.localName !== "math") return el("pre", {}, part.text);
  return el("div", { class: "formula" }, adopt(parsed));
}

function costTable(told, records) {
  const sizes = [...d3.group(records, (record) => `${record.size}/${record.dtype}`).values()].map(([record]) => record);
  const number = (value, unit) => (value ? rate(value, unit).replace("/s", "") : "-");
  const rows = sizes.map((record) => [visible(record.size), record.size_name ?? "", record.dtype, number(record.flops, "flop"), number(record.traffic_bytes, "B"), record.intensity ? `${significant(record.intensity)} flop/B` : "-"]);
  return cellTable("Operations of the algorithm, and compulsory bytes: every input read once, every output written once", ["size", "", "dtype", "operations", "bytes", "intensity"], rows);
}

function drawKernel(page, target, records, chosen) {
  const timed = records.filter((record) => record.time_s !== null);
  if (!timed.length) return target.replaceChildren(el("p", {}, "No case of it was timed: the comparison says why."));
  const series = seriesOf(page), asked = {};
  // What would make one line of two: a choice of it, where a place has several.
  for (const key of ["dtype", "precision", "threads"]) {
    if (key !== "dtype" && ![...d3.group(timed, series).values()].some((own) => distinct(own.map((r) => r[key])).length > 1)) continue;
    const values = distinct(timed.map((record) => String(record[key])));
    asked[key] = { values, value: chosen[key] ?? (values.includes(page.state[key]) ? page.state[key] : values[0]) };
  }
  const chosenIn = (keys) => timed.filter((record) => keys.every((key) => !asked[key] || String(record[key]) === asked[key].value));
  const sizes = distinct(timed.map((record) => record.size));
  const size = chosen.size ?? timed.find((record) => sizeName(record) === page.state.size)?.size ?? sizes.at(-1);
  const again = (change) => drawKernel(page, target, records, { ...chosen, size, ...change });
  const choices = el("div", { class: "choices" },
    Object.entries(asked).filter(([, { values }]) => values.length > 1).map(([key, { values, value }]) => choice(key, values.map((one) => [one, visible(one)]), value, (next) => again({ [key]: next }))),
    choice("size, where a picture shows one", sizes.map((one) => [one, visible(one)]), size, (value) => again({ size: value })));
  const here = chosenIn(Object.keys(asked));
  target.replaceChildren(choices, ...[scalingFigure(page, here), manyCallsFigure(page, here.filter((r) => r.size === size)), accuracyFigure(page, chosenIn(["threads"]).filter((r) => r.size === size))].filter(Boolean));
}

// The sizes of most cases as numbers: the geometric mean of the keys that differ.
function abscissas(records) {
  const keyed = records.map((record) => ({ record, size: sizeOf(record.size) }));
  const most = d3.greatest([...d3.group(keyed, (one) => Object.keys(one.size).join()).values()], (group) => group.length) ?? [];
  const keys = Object.keys(most[0]?.size ?? {}).filter((key) => new Set(most.map((one) => one.size[key])).size > 1);
  return { keys, points: keys.length ? most.map((one) => ({ ...one.record, x: Math.exp(d3.mean(keys, (key) => Math.log(one.size[key]))) })) : [] };
}

function scalingFigure(page, records) {
  const { keys, points } = abscissas(records);
  if (distinct(points.map((point) => point.x)).length < 2) return null;
  const series = seriesOf(page), style = page.style, width = Math.min(900, widthOf(document.getElementById("kernel")) - 40);
  points.sort((a, b) => a.x - b.x);
  const same = (e) => (r) => ["dtype", "threads", "precision"].every((key) => r[key] === e[key]) && visible(r.run) === e.run;
  const exponents = page.content.exponents.filter((e) => e.kernel === visible(records[0].kernel) && records.some(same(e)));
  const power = exponents[0]?.flops ?? exponents[0]?.traffic ?? null;
  const last = d3.max(points, (p) => p.x), first = d3.min(points, (p) => p.x);
  const end = d3.min(points.filter((p) => p.x === last), (p) => p.time_s);
  const guide = power === null ? [] : [Plot.line([first, last].map((x) => ({ x, y: end / 1.6 * (x / last) ** power })), { x: "x", y: "y", stroke: "currentColor", strokeDasharray: "2 4", strokeOpacity: 0.8 }),
    Plot.text([{ x: Math.sqrt(first * last), y: end / 1.6 * Math.sqrt(first / last) ** power }], { x: "x", y: "y", text: () => `model: ${exponents[0].model.join(", ")}`, textAnchor: "start", dy: 12, fill: "currentColor" })];
  const plot = Plot.plot({
    width, height: 360, marginLeft: 64, marginBottom: 44, marginRight: 20,
    x: { type: "log", label: `${keys.length > 1 ? `geometric mean of ${keys.map(visible).join(", ")}` : visible(keys[0])} →`, ticks: logTicks(width), tickFormat: (d) => significant(d, 2).replace(/\.0+$/, ""), grid: true },
    y: { type: "log", label: "↑ one call", tickFormat: shortDuration, grid: true },
    symbol: { range: style.names.map(plotSymbol(style)), domain: style.names },
    marks: [
      Plot.areaY(points.filter((p) => p.time_low_s !== null), { x: "x", y1: "time_low_s", y2: "time_high_s", z: series, fill: (p) => style.colour(series(p)), fillOpacity: 0.2 }),
      ...style.names.map((name) => Plot.line(points.filter((p) => series(p) === name), { x: "x", y: "time_s", stroke: style.colour(name), strokeDasharray: style.dash(name), strokeWidth: 2 })),
      ...guide,
      Plot.dot(points, { x: "x", y: "time_s", symbol: series, fill: (p) => style.colour(series(p)), r: 4, tip: true, title: (p) => `${visible(p.id)}\n${saidOf(p, "latency")?.map(([text]) => text).join("\n")}` }),
    ],
  });
  const fits = exponents.flatMap((e) => Object.entries(e.fitted).map(([place, text]) => `${headingOf(place)}${page.severalRuns ? ` (${e.run})` : ""} ${text}`));
  return figure(`scaling-${records[0].kernel}`, `How the time of a call grows with the size; the bands are the intervals of the medians. ${fits.length ? `Exponents: ${fits.join(", ")}.` : ""}`, plot, legendOf(style, new Set(points.map(series)), width));
}

function manyCallsFigure(page, records) {
  const known = records.filter((record) => record.first_call_s !== null);
  if (!known.length) return null;
  const series = seriesOf(page), style = page.style, width = Math.min(900, widthOf(document.getElementById("kernel")) - 40);
  const counts = d3.range(0, 6.01, 0.1).map((e) => Math.round(10 ** e));
  const total = (record, n) => record.first_call_s + (n - 1) * record.time_s;
  const plot = Plot.plot({
    width, height: 300, marginLeft: 64, marginBottom: 44, marginRight: 20,
    x: { type: "log", label: "calls →", grid: true, ticks: logTicks(width), tickFormat: (d) => d3.format("~s")(d) },
    y: { type: "log", label: "↑ all of them together", grid: true, tickFormat: shortDuration },
    marks: known.map((record) => Plot.line(counts, { x: (n) => n, y: (n) => total(record, n), stroke: style.colour(series(record)), strokeDasharray: style.dash(series(record)), strokeWidth: 2 })),
  });
  const paid = known.filter((r) => r.baseline && r.baseline !== r.place).map((r) => `${series(r)} ${saidOf(r, "break_even")?.[0][0] ?? "-"}`);
  return figure(`calls-${records[0].kernel}`, `What n calls cost, the first one and its compilation included, at ${visible(records[0].size)}. ${paid.length ? `Break-even against ${headingOf(known.find((r) => r.baseline)?.baseline ?? "")}: ${paid.join(", ")}.` : ""}`, plot, legendOf(style, new Set(known.map(series)), width));
}

function accuracyFigure(page, records) {
  const judged = records.filter((record) => record.error !== null && record.error < Number.MAX_VALUE && record.agrees);
  const random = judged.some((record) => record.error_unit !== "eps");
  const error = (record) => (random ? record.error : absoluteError(record));
  if (judged.length < 2) return null;
  const least = d3.min(judged.map(error).filter((value) => value > 0)) ?? 1e-17;
  const points = judged.map((record) => ({ place: seriesOf(page)(record), name: [seriesOf(page)(record), record.dtype, record.precision === "ieee" ? null : record.precision].filter(Boolean).join(" · "), time: record.time_s, error: error(record) || least / 10 }));
  const none = judged.some((record) => !error(record)) ? " What has no error at all stands at the foot." : "";
  return frontFigure(page, `accuracy-${records[0].kernel}`, points, { caption: `Error against time at ${visible(records[0].size)}: the pair nearest its limit, ${random ? "in standard errors" : "in eps times the eps of its dtype"}. The steps join those that nobody beats in both.${none}`, x: "one call →", xFormat: shortDuration });
}

// Every figure that `table --format json` has of the case.
function showCase(page) {
  const record = page.state.case && page.cases.find((one) => caseName(page, one) === page.state.case);
  const dialog = document.getElementById("case");
  if (!record) return dialog.open && dialog.close();
  const rows = page.columns.map((name) => el("tr", {}, el("th", { scope: "row" }, name), el("td", { class: "number", "data-column": name }, record[name] === null ? "-" : visible(record[name]))));
  openDialog(page, "case", [dialogHead("case", visible(record.id), () => dialog.close()), el("p", {}, ...inspection(record)),
    el("p", {}, el("button", { type: "button", onclick: () => page.choose({ case: "", open: record.kernel }) }, `more of ${visible(record.kernel)}`)),
    el("table", { class: "wide" }, el("caption", {}, "Every figure of this case; seconds, bytes, operations"), el("tbody", {}, rows))]);
}
