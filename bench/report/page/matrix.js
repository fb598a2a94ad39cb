// The comparison: a row for each kernel, size, dtype, precision and thread count, a column for each place.

const SORTED_BY = {
  latency: (record) => (record.place === record.baseline ? record.time_s : record.ratio), throughput: (r) => r.throughput_s, device: (r) => r.device_s,
  kernel: (r) => r.kernel_s, first_call: (r) => r.first_call_s, compile: (r) => r.compile_s, transfer: (r) => r.transfer_s,
  transfer_out: (r) => r.transfer_out_s, rate: (r) => quotient(r.flops, r.time_s), bandwidth: (r) => quotient(r.traffic_bytes, r.time_s),
  intensity: (r) => r.intensity, roof: (r) => r.roof_fraction, memory: (r) => r.peak_bytes, energy: (r) => r.energy_j,
  clock: (r) => r.sm_mhz, spread: (r) => r.spread, error: (r) => quotient(r.error, r.error_limit),
  break_even: (r) => callsIn(saidOf(r, "break_even")?.[0][0] ?? ""),
};
// What a case is called in the address: runs on one page may share its id.
const caseName = (page, record) => (page.severalRuns ? `${record.run}/${record.id}` : record.id);
const quotient = (a, b) => (a === null || !b ? null : a / b);

// The number in "310 calls", "(at once)", "never".
function callsIn(text) {
  if (text.includes("at once")) return 0;
  if (text.includes("never")) return Infinity;
  const found = text.match(/[0-9.e]+(?= calls)/);
  return found ? Number(found[0]) : null;
}

const rowKey = (record) => JSON.stringify([record.kernel, record.size, record.dtype, record.threads, record.precision]);
const columnKey = (record) => JSON.stringify([record.run, record.place]);

function buildMatrix(page) {
  const { cases } = page;
  const several = { run: distinct(cases.map((r) => r.run)).length > 1, dtype: distinct(cases.map((r) => r.dtype)).length > 1,
    precision: distinct(cases.map((r) => r.precision)).length > 1, threads: distinct(cases.map((r) => r.threads)).length > 1 };
  const columns = [...d3.group(cases, columnKey)].map(([key, [first]]) => ({ key, run: first.run, place: first.place }));
  const rows = [...d3.group(cases, rowKey).values()].map((records, order) => {
    const byColumn = new Map(records.map((record) => [columnKey(record), record]));
    return { first: records[0], order, records: columns.map((column) => byColumn.get(column.key) ?? null) };
  });
  const order = new Map(distinct(cases.map((r) => r.chapter)).map((chapter, index) => [chapter, index]));
  rows.sort((a, b) => order.get(a.first.chapter) - order.get(b.first.chapter) || a.order - b.order);

  const heads = columns.map((column) => {
    const cell = el("th", { scope: "col", role: "columnheader" });
    const button = el("button", { type: "button", onclick: () => sortBy(column.key) }, headingOf(column.place), several.run ? el("small", {}, visible(column.run)) : null, el("small", { class: "arrow", "aria-hidden": "true" }));
    cell.append(button);
    return { ...column, cell };
  });
  const nameHead = el("th", { scope: "col", role: "columnheader" }, el("button", { type: "button", onclick: () => sortBy("") }, "kernel and size", el("small", { class: "arrow", "aria-hidden": "true" })));
  // The roles are those of the elements, which a display other than that of tables takes from them.
  const table = el("table", { role: "table", "aria-describedby": "keys" },
    el("caption", { class: "quiet" }),
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, nameHead, heads.map((head) => head.cell))));
  const chapters = new Map();
  for (const chapter of distinct(rows.map((row) => row.first.chapter))) {
    const title = el("tr", { role: "row" }, el("th", { role: "rowheader", class: "chapter", scope: "rowgroup", colspan: columns.length + 1 }, visible((chapter ?? "user").replaceAll("_", " "))));
    chapters.set(chapter, { body: el("tbody", { role: "rowgroup" }, title), title });
  }
  const flat = el("tbody", { role: "rowgroup", hidden: true });
  for (const row of rows) {
    row.element = rowElement(row, several);
    chapters.get(row.first.chapter).body.append(row.element);
  }
  table.append(...[...chapters.values()].map((chapter) => chapter.body), flat);
  const columnStyle = el("style");
  document.querySelector("#matrix .scroller").append(columnStyle, table);

  const matrix = { page, rows, heads, nameHead, table, chapters, flat, several, columnStyle, focused: null, metric: null, sorted: null, away: heads.map(() => false) };
  showColumns(matrix);
  listen(matrix);
  return matrix;

  function sortBy(key) {
    const { sort, order: direction } = page.state;
    if (key === "" || (sort === key && direction === "down")) page.choose({ sort: "", order: "" });
    else page.choose(sort === key ? { order: "down" } : { sort: key, order: "up" });
  }
}

function rowElement(row, several) {
  const { first } = row;
  const notes = [first.size, several.dtype && first.dtype, several.precision && first.precision, several.threads && counted(first.threads, "thread")].filter(Boolean);
  const name = el("button", { type: "button", tabindex: -1, "data-open": first.kernel }, el("span", { class: "strong" }, visible(first.kernel)), el("span", { class: "quiet" }, visible(notes.join(" · "))));
  const cells = row.records.map((record) => {
    if (record === null) return el("td", { role: "cell" });
    record.button = el("button", { type: "button", tabindex: -1, "data-case": record.index });
    record.cell = el("td", { role: "cell" }, record.button);
    return record.cell;
  });
  return el("tr", { role: "row" }, el("th", { scope: "row", role: "rowheader" }, name), cells);
}

// Brings the table in line with the state.
function showMatrix(matrix) {
  const { page, rows, heads } = matrix;
  const { state } = page;
  if (matrix.metric !== state.metric) fillCells(matrix);
  const hidden = hiddenPlaces(state);
  matrix.away = heads.map((head) => hidden.has(head.place) || Boolean(state.run && head.run !== state.run) || Boolean(state.device && !head.place.endsWith(`@${state.device}`)));
  showColumns(matrix);
  const shows = WHAT[state.what]?.[1] ?? (() => false);
  const passes = choiceOf(state);
  let shown = 0, among = 0;
  matrix.shownCases = [];
  const open = new Set();
  for (const row of rows) {
    const passing = row.records.filter((record) => record && passes(record));
    const visibleRow = passing.some(shows);
    if (row.element.hidden === visibleRow) row.element.hidden = !visibleRow;
    if (visibleRow) { shown += 1; among += passing.length; open.add(row.first.chapter); matrix.shownCases.push(...passing); }
  }
  for (const [chapter, { title }] of matrix.chapters) title.hidden = !open.has(chapter);
  sortRows(matrix);
  const total = rows.length;
  document.getElementById("count").textContent = `${shown === total ? "" : `${shown} of `}${counted(total, "row")}, ${counted(among, "case")}`;
  matrix.shownRows = () => rowsInOrder(matrix).filter((row) => !row.element.hidden);
  setTabStop(matrix);
}

// By a rule for each column that is hidden: to hide each of its cells takes far longer.
function showColumns({ columnStyle, table, away }) {
  const rules = away.flatMap((hidden, index) => (hidden ? [`#matrix tr > :nth-child(${index + 2}) { display: none }`] : [])).join("\n");
  table.style.setProperty("--places", Math.max(1, away.filter((hidden) => !hidden).length));
  if (columnStyle.textContent !== rules) columnStyle.textContent = rules;
}

function fillCells(matrix) {
  const { page, rows, table } = matrix;
  const { metric } = page.state;
  const told = page.content.said[metric];
  for (const row of rows) {
    for (const record of row.records) {
      if (record === null) continue;
      const lines = saidOf(record, metric) ?? [["-", "quiet"]];
      record.button.replaceChildren(...lines.map(([text, tone]) => el("span", { class: tone === "plain" ? null : tone }, text)));
      record.cell.className = metric === "latency" ? tint(record) : record.agrees === false ? "wrong" : "";
    }
  }
  table.caption.textContent = told.title;
  document.getElementById("legend").replaceChildren(...told.legend.map((text) => el("p", {}, text)), ...(metric === "latency" ? [el("p", {}, "blue: proven faster, orange: proven slower, the darker the more")] : []));
  matrix.metric = metric;
}

// The further from the baseline, the darker; nothing where no difference is proven.
function tint(record) {
  if (record.agrees === false) return "wrong";
  if (record.verdict !== "faster" && record.verdict !== "slower") return "";
  const octaves = Math.abs(Math.log2(record.ratio));
  return `${record.verdict}-${octaves < 0.5 ? 1 : octaves < 1 ? 2 : octaves < 2 ? 3 : 4}`;
}

function rowsInOrder(matrix) {
  const { page, rows, heads } = matrix;
  const { sort, order, metric } = page.state;
  const column = heads.findIndex((head) => head.key === sort);
  if (column < 0) return rows;
  const known = (key) => (row) => (row.records[column] && key(row.records[column])) ?? null;
  const own = known(SORTED_BY[metric] ?? (() => null));
  // Where nothing stands to a baseline, times; never these among ratios.
  const value = metric === "latency" && rows.every((row) => own(row) === null) ? known((record) => record.time_s) : own;
  const sign = order === "down" ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === null || y === null) return (x === null) - (y === null) || a.order - b.order;
    return sign * (x - y) || a.order - b.order;
  });
}

function sortRows(matrix) {
  const { page, heads, nameHead, chapters, flat } = matrix;
  const { sort, order, metric } = page.state;
  const wanted = JSON.stringify([sort, order, sort && metric]);
  if (matrix.sorted === wanted) return;
  const sorted = heads.some((head) => head.key === sort);
  flat.hidden = !sorted;
  if (sorted) flat.append(...rowsInOrder(matrix).map((row) => row.element));
  else if (flat.childElementCount) for (const row of matrix.rows) chapters.get(row.first.chapter).body.append(row.element);
  for (const { body } of chapters.values()) body.hidden = sorted;
  for (const head of heads) {
    const here = head.key === sort;
    head.cell.setAttribute("aria-sort", here ? (order === "down" ? "descending" : "ascending") : "none");
    head.cell.querySelector(".arrow").textContent = here ? (order === "down" ? "▼ largest first" : "▲ smallest first") : "";
  }
  nameHead.setAttribute("aria-sort", sorted ? "none" : "ascending");
  nameHead.querySelector(".arrow").textContent = sorted ? "" : "in the order of a course";
  matrix.sorted = wanted;
}

// One cell is in the order of the Tab key; the arrows move on from there.
function setTabStop(matrix) {
  const old = matrix.focused;
  const cell = old?.closest("th, td"), row = cell?.parentElement;
  if (row && !row.hidden && !(cell.cellIndex > 0 && matrix.away[cell.cellIndex - 1])) return;
  const first = matrix.shownRows()[0]?.element.querySelector("button") ?? null;
  if (old) old.tabIndex = -1;
  if (first) first.tabIndex = 0;
  matrix.focused = first;
}

function listen(matrix) {
  const { table, page } = matrix;
  const inspector = document.getElementById("inspector");
  const recordOf = (target) => page.cases[target.closest?.("[data-case]")?.dataset.case] ?? null;
  const inspect = (event) => {
    const record = recordOf(event.target);
    inspector.hidden = record === null;
    if (record) inspector.replaceChildren(...inspection(record));
  };
  table.addEventListener("focusin", (event) => {
    if (event.target.tabIndex === -1) {
      if (matrix.focused) matrix.focused.tabIndex = -1;
      event.target.tabIndex = 0;
      matrix.focused = event.target;
    }
    inspect(event);
  });
  table.addEventListener("mouseover", inspect);
  table.addEventListener("mouseleave", () => { inspector.hidden = true; });
  table.addEventListener("focusout", (event) => { if (!table.contains(event.relatedTarget)) inspector.hidden = true; });
  table.addEventListener("click", (event) => {
    const record = recordOf(event.target);
    const opener = event.target.closest("[data-open]");
    if (record) page.choose({ case: caseName(page, record), open: "" });
    else if (opener) page.choose({ open: opener.dataset.open, case: "" });
  });
  table.addEventListener("keydown", (event) => {
    const cell = event.target.closest("tbody th, tbody td");
    const steps = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -Infinity], End: [0, Infinity], PageDown: [10, 0], PageUp: [-10, 0] };
    if (!cell || !(event.key in steps) || event.altKey || event.metaKey) return;
    event.preventDefault();
    const rows = matrix.shownRows().map((row) => row.element);
    const [down, right] = event.ctrlKey && event.key === "Home" ? [-Infinity, 0] : event.ctrlKey && event.key === "End" ? [Infinity, 0] : steps[event.key];
    const clamp = (value, most) => Math.min(Math.max(value, 0), most);
    const row = rows[clamp(rows.indexOf(cell.parentElement) + down, rows.length - 1)];
    const cells = (one) => [...one.cells].filter((_, index) => index === 0 || !matrix.away[index - 1]);
    const place = clamp(cells(cell.parentElement).indexOf(cell) + right, cells(row).length - 1);
    const near = [place, ...cells(row).keys()].map((index) => cells(row)[index]?.querySelector("button")).find(Boolean);
    near?.focus();
  });
}

// The cell in a few sentences: what the marks stand for, and why there is a word.
function inspection(record) {
  const parts = [el("strong", {}, visible(`${record.kernel}[${record.size}]`)), ` ${headingOf(record.place)}, ${record.dtype}. `];
  if (record.time_s !== null) {
    parts.push(`${duration(record.time_s)} a call`);
    if (record.time_low_s !== null) parts.push(` (${duration(record.time_low_s)} to ${duration(record.time_high_s)}, ${percent(record.time_level)} interval of ${record.forks} forks)`);
    if (record.ratio_low !== null) parts.push(`; ${significant(record.ratio)} times as long as ${headingOf(record.baseline)} (${significant(record.ratio_low)} to ${significant(record.ratio_high)}): ${record.verdict}`);
    else if (record.baseline === record.place) parts.push("; the baseline");
    if (record.leads) parts.push("; cannot be told from the fastest of its row");
    parts.push(". ");
  } else parts.push(`${record.status.replaceAll("_", " ")}. `);
  if (record.compute_dtype && record.compute_dtype !== record.dtype) parts.push(`Computes in ${record.compute_dtype}, so it is not ranked. `);
  if (record.disturbed) parts.push(`Other work disturbed ${record.disturbed} of its forks. `);
  if (record.modes) parts.push(`Its processes live in two modes: ${record.modes}. `);
  if (record.throttled) parts.push(`Its card was throttled: ${visible(record.throttle)}. `);
  if (record.reason) parts.push(el("span", { class: record.agrees === false ? "alarm" : "" }, visible(record.reason)));
  return parts;
}
