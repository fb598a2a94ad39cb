// The sections beside the comparison: overall means, first calls, the roofline, agreement.

const EPSILON = { float64: 2 ** -52, float32: 2 ** -23, float16: 2 ** -10, bfloat16: 2 ** -7 };

const contentOf = (section) => document.querySelector(`#${section} .content`);

function showOverall(page) {
  const { content, state } = page;
  const target = contentOf("overall");
  const of = content.overall.filter((mean) => mean.chapter === state.chapter && mean.size_name === state.size
    && (!state.run || visible(state.run) === mean.run) && (!state.dtype || state.dtype === mean.dtype)
    && (!state.precision || state.precision === mean.precision) && (!state.threads || state.threads === String(mean.threads)));
  const groups = [...d3.group(of, (mean) => JSON.stringify([mean.run, mean.dtype, mean.threads, mean.precision])).values()]
    .filter((group) => group.length > 1);
  const over = [state.chapter && visible(state.chapter.replaceAll("_", " ")), state.size].filter(Boolean).join(", ");
  const about = `Geometric mean of how many times the baseline's time a call takes, over the ${over ? `cases of ${over}` : "cases"} that every backend ran. `
    + (state.kernel ? "The choice of kernels does not change it. " : "");
  target.replaceChildren(el("p", { class: "quiet" }, about), ...groups.map((group) => overallGroup(page, group)));
  if (!groups.length) target.replaceChildren(el("p", {}, "Of this choice there is no mean: it takes a baseline and another backend that ran it."));
}

function overallGroup(page, group) {
  const [one] = group;
  const title = [page.severalRuns && one.run, one.dtype, counted(one.threads, "thread"), one.precision, one.cases === 1 ? "one case that all ran" : `${one.cases} cases all ran`].filter(Boolean).join(" · ");
  const rows = group.map((mean) => el("tr", {},
    el("th", { scope: "row" }, headingOf(mean.place)),
    el("td", { "data-overall": JSON.stringify([mean.run, mean.dtype, mean.threads, mean.precision, mean.place]), "data-value": mean.value },
      mean.said.map(([text, tone]) => el("span", { class: tone === "plain" ? null : tone }, text))),
    el("td", { class: "quiet" }, `ran ${mean.ran} of ${mean.of}`)));
  const table = el("table", {}, el("caption", {}, title), el("thead", {}, el("tr", {}, el("td"), el("th", { scope: "col" }, `against ${headingOf(one.baseline)}`), el("th", { scope: "col" }, "cases"))), el("tbody", {}, rows));
  const known = group.filter((mean) => mean.value !== null && mean.cases > 1);
  if (known.length < 2) return table;
  const style = page.style;
  const [least, most] = d3.extent(known, (mean) => mean.value);
  const wide = most / least > 2;
  const name = (mean) => (page.severalRuns ? `${headingOf(mean.place)} · ${mean.run}` : headingOf(mean.place));
  const width = Math.min(640, widthOf(contentOf("overall")));
  const plot = Plot.plot({
    width, height: 46 + 26 * known.length, marginLeft: 120, marginRight: 20,
    x: { type: "log", label: `times the time of ${headingOf(one.baseline)} (left is faster) →`, grid: true, ticks: logTicks(width), tickFormat: (d) => significant(d, wide ? 2 : 3) },
    y: { label: null, domain: known.map(name) },
    symbol: { range: style.names.map(plotSymbol(style)), domain: style.names },
    marks: [
      Plot.ruleX([1], { stroke: "currentColor" }),
      Plot.ruleY(known.filter((m) => m.ratio), { y: name, x1: (m) => m.ratio.low, x2: (m) => m.ratio.high, stroke: (m) => style.colour(name(m)), strokeWidth: 3 }),
      Plot.dot(known, { y: name, x: (m) => m.ratio?.value ?? m.value, symbol: name, fill: (m) => style.colour(name(m)), r: 5 }),
    ],
  });
  return el("div", { class: "beside" }, table, figure("overall", `How long a call takes against ${headingOf(one.baseline)}, with its 95% interval over the forks: ${title}.`, plot, null));
}

const cellTable = (caption, head, rows) => el("div", { class: "scroller", role: "group", "aria-label": caption, tabindex: 0 }, el("table", {}, el("caption", {}, caption),
  el("thead", {}, el("tr", {}, head.map((text, index) => (index || text ? el("th", { scope: "col" }, text) : el("td"))))),
  el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell, index) => (index ? el("td", {}, cell) : el("th", { scope: "row" }, cell))))))));

function showCalls(page) {
  const shown = page.shown().filter((record) => record.first_call_s !== null && record.time_s !== null);
  const target = contentOf("calls");
  if (!shown.length) return target.replaceChildren(el("p", {}, "No first call of these cases was timed with an empty compile cache."));
  const series = seriesOf(page);
  const bins = [["at once", (n) => n <= 1], ["by 100 calls", (n) => n > 1 && n <= 100], ["by 10,000", (n) => n > 100 && n <= 1e4], ["later", (n) => n > 1e4 && n < Infinity], ["never", (n) => n === Infinity]];
  const rows = [...d3.group(shown, series)].map(([name, records]) => {
    const calls = records.filter((r) => r.baseline !== r.place).map((r) => callsIn(saidOf(r, "break_even")?.[0][0] ?? "")).filter((n) => n !== null);
    const compile = records.map((r) => r.compile_s).filter((s) => s !== null);
    return [name, String(records.length), duration(d3.median(records, (r) => r.first_call_s)), compile.length ? duration(d3.median(compile)) : "-", `${significant(d3.median(records, (r) => r.first_call_s / r.time_s))}x`,
      ...bins.map(([, within]) => (calls.length ? String(calls.filter(within).length) : "-"))];
  });
  const table = cellTable("Medians over the cases shown, and after how many calls the first has paid for itself, against the baseline",
    ["", "cases", "first call", "compiling", "first / later call", ...bins.map(([text]) => text)], rows);
  const width = widthOf(target), style = page.style;
  const plot = Plot.plot({
    width, height: Math.min(440, 260 + width / 6), marginLeft: 64, marginBottom: 44,
    x: { type: "log", label: "a later call →", tickFormat: shortDuration, ticks: logTicks(width), grid: true, nice: true },
    y: { type: "log", label: "↑ the first call, compilation included", tickFormat: shortDuration, grid: true, nice: true },
    symbol: { range: style.names.map(plotSymbol(style)), domain: style.names },
    marks: [
      Plot.line(d3.extent(shown, (r) => r.time_s), { x: (d) => d, y: (d) => d, stroke: "currentColor", strokeOpacity: 0.5 }),
      Plot.dot(shown, { x: "time_s", y: "first_call_s", symbol: series, stroke: (r) => style.colour(series(r)), r: 3.2, tip: true, title: (r) => `${visible(r.id)}\nfirst call ${duration(r.first_call_s)}, later ${duration(r.time_s)}\nbreak-even: ${saidOf(r, "break_even")?.[0][0] ?? "-"}` }),
    ],
  });
  target.replaceChildren(table, figure("first-calls", "The first call against later ones: on the line it costs no more than they do.", plot, legendOf(style, new Set(shown.map(series)), width)));
}

function showRoofline(page, chosen) {
  const { content, state } = page;
  const target = contentOf("roofline");
  const roofs = content.roofs.filter((roof) => roof.matmul_flops && roof.reused_bytes && (!state.run || visible(state.run) === roof.run));
  if (!roofs.length) return target.replaceChildren(el("p", {}, "No roofs were measured: a run of four forks or more does, or --roofs."));
  const label = (roof) => [page.severalRuns && roof.run, roof.device, roof.dtype, counted(roof.threads, "thread"), roof.precision].filter(Boolean).join(" · ");
  const under = (roof) => page.shown().filter((r) => visible(r.run) === roof.run && r.device === roof.device && (r.compute_dtype ?? r.dtype) === roof.dtype
    && r.threads === roof.threads && r.precision === roof.precision && r.intensity !== null && r.flops !== null && r.time_s !== null);
  const roof = roofs.find((one) => label(one) === chosen) ?? d3.greatest(roofs, (one) => under(one).length);
  const points = under(roof), series = seriesOf(page), style = page.style;
  const choices = roofs.length > 1 ? el("div", { class: "choices" }, choice("roof of", roofs.map((one) => [label(one), label(one)]), label(roof), (value) => showRoofline(page, value))) : null;
  const seconds = (r) => r.device_s ?? r.time_s;
  const ridge = roof.matmul_flops / roof.reused_bytes;
  const [low, high] = d3.extent([...points.map((r) => r.intensity), ridge / 10, ridge * 10]);
  const width = widthOf(target);
  const at = (x, bandwidth) => ({ x, y: Math.min(roof.matmul_flops, x * bandwidth) });
  const hollow = (r) => r.roof_fraction === null;
  const text = (r) => `${visible(r.id)}\n${rate(r.flops / seconds(r), "flop")}, ${significant(r.intensity)} flop/B\n${saidOf(r, "roof")?.[0][0] ?? ""}`;
  const fresh = roof.fresh_bytes ? [Plot.line([low, roof.matmul_flops / roof.fresh_bytes].map((x) => at(x, roof.fresh_bytes)), { x: "x", y: "y", stroke: "currentColor", strokeDasharray: "3 3" })] : [];
  const plot = Plot.plot({
    width, height: Math.min(520, 300 + width / 6), marginLeft: 80, marginBottom: 44,
    x: { type: "log", domain: [low, high], label: "operations a compulsory byte →", grid: true, ticks: logTicks(width), tickFormat: (d) => significant(d, 1) },
    y: { type: "log", label: "↑ operations a second", grid: true, tickFormat: shortRate("flop") },
    symbol: { range: style.names.map(plotSymbol(style)), domain: style.names },
    marks: [
      Plot.line([at(low, roof.reused_bytes), at(Math.max(ridge, low), roof.reused_bytes), at(high, roof.reused_bytes)], { x: "x", y: "y", stroke: "currentColor", strokeWidth: 2 }),
      ...fresh,
      Plot.dot(points.filter((r) => !hollow(r)), { x: "intensity", y: (r) => r.flops / seconds(r), symbol: series, fill: (r) => style.colour(series(r)), r: 4 }),
      Plot.dot(points.filter(hollow), { x: "intensity", y: (r) => r.flops / seconds(r), symbol: series, stroke: (r) => style.colour(series(r)), strokeOpacity: 0.7, r: 3.2 }),
      Plot.tip(points, Plot.pointer({ x: "intensity", y: (r) => r.flops / seconds(r), title: text })),
    ],
  });
  const rows = [["compute", rate(roof.matmul_flops, "flop"), roof.matmul_by], ["memory", rate(roof.reused_bytes, "B"), roof.reused_by], ...(roof.fresh_bytes ? [["memory, fresh output or copy", rate(roof.fresh_bytes, "B"), roof.fresh_by]] : []),
    ...Object.entries(roof.dispatch_s).map(([backend, time]) => ["smallest call", duration(time), backend])];
  target.replaceChildren(...[choices, figure("roofline", `The roof of ${label(roof)}, as this run measured it, and the cases shown under it. Hollow: bound by the cache or by dispatch, where the roof of the memory says nothing. Dashed: with fresh memory.`, plot, legendOf(style, new Set(points.map(series)), width)),
    cellTable("What the machine was seen to do at most", ["", "at most", "by"], rows)].filter(Boolean));
}

function showAgreement(page) {
  const target = contentOf("agreement");
  const judged = page.shown().filter((r) => r.error !== null && r.error_limit);
  // A result of another shape, say, is wrong without an error that could be drawn.
  const bare = page.shown().filter((r) => r.agrees === false && !judged.includes(r));
  if (!judged.length && !bare.length) return target.replaceChildren(el("p", {}, "No result of these cases was judged."));
  const share = (r) => r.error / r.error_limit;
  const floor = 1e-6, ceiling = 100;
  const placed = (r) => Math.min(Math.max(share(r), floor), ceiling);
  const series = seriesOf(page), style = page.style, width = widthOf(target);
  const kernels = distinct(judged.map((r) => visible(r.kernel)));
  const plot = Plot.plot({
    width, height: 60 + 13 * kernels.length, marginLeft: width < 500 ? 120 : 190, marginRight: 16,
    x: { type: "log", domain: [floor, ceiling], label: "error over its limit →", axis: "both", grid: true, ticks: logTicks(width), tickFormat: (d) => (d < 0.01 ? d.toExponential(0) : significant(d, 1)) },
    y: { label: null, domain: kernels, tickFormat: (name) => (name.length > 26 && width < 700 ? `${name.slice(0, 18)}…` : name) },
    symbol: { range: style.names.map(plotSymbol(style)), domain: style.names },
    marks: [
      Plot.gridY({ strokeOpacity: 0.15 }),
      Plot.ruleX([1], { stroke: "var(--alarm)", strokeWidth: 1.5 }),
      Plot.dot(judged, { x: placed, y: (r) => visible(r.kernel), symbol: series, stroke: (r) => style.colour(series(r)), fill: (r) => (r.agrees ? "none" : "var(--alarm)"), r: 3, tip: true, title: (r) => `${visible(r.id)}\n${saidOf(r, "error")?.[0][0] ?? ""}, ${visible(r.error_name ?? "")}` }),
    ],
  });
  const wrong = [...bare, ...judged.filter((r) => !r.agrees)];
  const sentence = wrong.length
    ? `${wrong.length} of ${counted(judged.length + bare.length, "result")} ${wrong.length === 1 ? "is" : "are"} wrong: ${wrong.slice(0, 5).map((r) => visible(r.id)).join(", ")}${wrong.length > 5 ? ", ..." : ""}.`
    : `${judged.length === 1 ? "The result shown is within its limit" : `All ${judged.length} results shown are within their limits`}, which are derived and cited with each kernel (click its name).`;
  target.replaceChildren(el("p", {}, sentence),
    figure("agreement", `Of every case the error nearest its limit, as a share of it; the line is the limit. At the left edge stands what is smaller than ${floor.toExponential(0)}, none at all included.`, plot, legendOf(style, new Set(judged.map(series)), width)),
    ...[overallFront(page, judged)].filter(Boolean));
}

// The error itself, relative to what the kernel's measure scales it by: its eps is that of the outputs.
const absoluteError = (record) => (record.error_unit === "eps" && record.error !== null ? record.error * EPSILON[record.dtype] : null);

// Who is neither slower nor less accurate than another, over the rows that all of them ran.
function overallFront(page, judged) {
  const combination = (r) => [headingOf(r.place), r.dtype, r.precision === "ieee" ? null : r.precision, page.severalRuns ? visible(r.run) : null].filter(Boolean).join(" · ");
  const usable = judged.filter((r) => r.agrees && r.time_s !== null && absoluteError(r) !== null);
  const groups = d3.group(usable, combination);
  const row = (r) => `${r.kernel}[${r.size}]`;
  const common = [...groups.values()].map((records) => new Set(records.map(row))).reduce((a, b) => new Set([...a].filter((one) => b.has(one))), new Set(usable.map(row)));
  if (groups.size < 2 || common.size < 2) return null;
  const best = new Map([...d3.group(usable.filter((r) => common.has(row(r))), row)].map(([name, records]) => [name, d3.min(records, (r) => r.time_s)]));
  const least = EPSILON.float64 / 8;
  const points = [...groups].map(([name, records]) => {
    const of = records.filter((r) => common.has(row(r)));
    return { name, place: seriesOf(page)(of[0]), time: Math.exp(d3.mean(of, (r) => Math.log(r.time_s / best.get(row(r))))), error: Math.exp(d3.mean(of, (r) => Math.log(Math.max(absoluteError(r), least)))) };
  });
  return el("div", {}, el("h3", {}, "Error against time"), frontFigure(page, "error-against-time", points, {
    caption: `Geometric means over the ${common.size} rows that all ran and whose errors are in eps: the error itself (an error below ${least.toExponential(0)} counts as that), and the time as a multiple of the fastest of each row. The steps join those that nobody beats in both.`,
    x: "times the time of the fastest →", xFormat: (d) => `${significant(d, 2)}x` }));
}

function frontFigure(page, name, points, { caption, x, xFormat }) {
  const width = Math.min(900, widthOf(contentOf("agreement"))), style = page.style;
  const sorted = [...points].sort((a, b) => a.time - b.time || a.error - b.error);
  let lowest = Infinity;
  const front = sorted.filter((point) => point.error < lowest && ((lowest = point.error), true));
  for (const point of points) point.best = front.includes(point);
  const plot = Plot.plot({
    width, height: 340, marginLeft: 70, marginRight: width < 500 ? 20 : 130, marginBottom: 44,
    x: { type: "log", label: x, grid: true, tickFormat: xFormat, ticks: logTicks(width), nice: true },
    y: { type: "log", label: "↑ error", grid: true, tickFormat: (d) => d.toExponential(0), nice: true },
    symbol: { range: style.names.map(plotSymbol(style)), domain: style.names },
    marks: [
      Plot.line(front, { x: "time", y: "error", curve: "step-after", stroke: "currentColor", strokeOpacity: 0.5 }),
      Plot.dot(points, { x: "time", y: "error", symbol: "place", stroke: (p) => style.colour(p.place), fill: (p) => (p.best ? style.colour(p.place) : "none"), r: 5.5, tip: true, title: (p) => `${p.name}\n${xFormat(p.time)}, error ${p.error.toExponential(1)}${p.best ? "\nnobody is better in both" : ""}` }),
      ...[-9, 9].map((dy, side) => Plot.text(sorted.filter((_, index) => index % 2 === side), { x: "time", y: "error", text: "name", dx: 7, dy, textAnchor: "start", fill: "currentColor", fontWeight: (p) => (p.best ? 700 : 400) })),
    ],
  });
  return figure(name, caption, plot, null);
}

function buildDownloads(page) {
  const { cases, columns } = page;
  const rows = () => cases.map((record) => Object.fromEntries(columns.map((name) => [name, record[name]])));
  const shown = () => { const ids = new Set(page.shown()); return cases.filter((record) => ids.has(record)).map((record) => Object.fromEntries(columns.map((name) => [name, record[name]]))); };
  const json = (of, name) => save(new Blob([JSON.stringify(of, null, 1)], { type: "application/json" }), name);
  const csv = (of, name) => save(new Blob([csvOf(columns, of)], { type: "text/csv" }), name);
  document.getElementById("data-buttons").append(
    el("button", { type: "button", id: "save-json", onclick: () => json(rows(), "xpbench.json") }, "JSON, all cases"),
    el("button", { type: "button", id: "save-csv", onclick: () => csv(rows(), "xpbench.csv") }, "CSV, all cases"),
    el("button", { type: "button", id: "save-shown", onclick: () => csv(shown(), "xpbench-shown.csv") }, "CSV, the cases shown"));
}

// As `xpbench table --format csv`: what a spreadsheet would run as a formula stands behind an apostrophe.
function csvOf(columns, rows) {
  const field = (value) => {
    if (value === null) return "";
    if (typeof value !== "string") return String(value);
    const text = /^[=+@-]/.test(visible(value)) ? `'${visible(value)}` : visible(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns.join(","), ...rows.map((row) => columns.map((name) => field(row[name])).join(","))].join("\n") + "\n";
}
