// What the pictures share: a colour, a symbol and a dash for each place, a legend, and their downloads.

const SYMBOLS = ["circle", "square", "triangle", "diamond", "cross", "star", "wye", "hexagon"];
const DASHES = ["none", "6 3", "2 3", "8 3 2 3", "12 4", "1 4", "4 2", "10 2 2 2 2 2"];

// Of every series (a place, or a place in a dtype or run) the same look wherever it is shown.
function styleOf(names) {
  const order = new Map(names.map((name, index) => [name, index]));
  const at = (name) => order.get(name) ?? 0;
  return {
    names,
    colour: (name) => `var(--s${at(name) % 8})`,
    // Beyond eight a colour comes again, with another symbol and dash.
    symbol: (name) => SYMBOLS[(at(name) + Math.floor(at(name) / 8)) % SYMBOLS.length],
    dash: (name) => DASHES[(at(name) + Math.floor(at(name) / 8)) % DASHES.length],
  };
}

function legendOf(style, shown, most) {
  let left = 0, top = 0, width = 0;
  const items = style.names.filter((name) => shown.has(name)).map((name) => {
    const wide = 40 + 7.2 * name.length;
    if (left && left + wide > most) [left, top] = [0, top + 22];
    const item = { name, left, top };
    left += wide;
    width = Math.max(width, left);
    return item;
  });
  const height = top + 22;
  const svg = d3.create("svg").attr("width", width).attr("height", height).attr("viewBox", `0 0 ${width} ${height}`).attr("role", "img").attr("aria-label", `Legend: ${items.map((item) => item.name).join(", ")}`);
  for (const { name, left: x, top: y } of items) {
    const group = svg.append("g").attr("transform", `translate(${x},${y + 11})`);
    group.append("line").attr("x1", 0).attr("x2", 24).attr("stroke", style.colour(name)).attr("stroke-width", 2).attr("stroke-dasharray", style.dash(name));
    group.append("path").attr("transform", "translate(12,0)").attr("d", d3.symbol(symbolType(style.symbol(name)), 46)()).attr("fill", style.colour(name));
    group.append("text").attr("x", 30).attr("dy", "0.32em").attr("fill", "currentColor").attr("font-size", 12).text(name);
  }
  return svg.node();
}

const symbolType = (name) => d3[`symbol${name[0].toUpperCase()}${name.slice(1)}`] ?? hexagon;
const hexagon = { draw(context, size) {
  const radius = Math.sqrt(size / 2.6);
  for (let corner = 0; corner < 6; corner += 1) context[corner ? "lineTo" : "moveTo"](radius * Math.cos(corner * Math.PI / 3), radius * Math.sin(corner * Math.PI / 3));
  context.closePath();
} };
const plotSymbol = (style) => (name) => (style.symbol(name) === "hexagon" ? hexagon : style.symbol(name));

// A figure with a caption, its legend and the buttons that save it; `name` is that of the files.
function figure(name, caption, plot, legend) {
  // Within an image nothing is read out, and names of its parts are a fault there, those of a tip too.
  const unname = () => { for (const part of plot.querySelectorAll("[aria-label]")) part.removeAttribute("aria-label"); };
  unname();
  new MutationObserver(unname).observe(plot, { childList: true, subtree: true });
  plot.setAttribute("role", "img");
  plot.setAttribute("aria-label", caption);
  const save = (kind) => el("button", { type: "button", onclick: () => savePicture(name, kind, legend, plot) }, kind.toUpperCase());
  const buttons = el("div", { class: "buttons" }, save("svg"), save("png"));
  buttons.setAttribute("aria-label", `Save the picture ${name}`);
  buttons.setAttribute("role", "group");
  return el("figure", { "data-figure": name }, el("figcaption", {}, caption), legend, plot, buttons);
}

// What a colour of the style sheet is in the theme in force.
function colourNow(name) {
  const probe = document.body.appendChild(el("span", { style: `color: var(${name})` }));
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

// The legend above the plot, in one picture that needs no style sheet.
function pictureOf(legend, plot) {
  const size = (svg) => ({ width: Number(svg.getAttribute("width")), height: Number(svg.getAttribute("height")) });
  const [head, body] = [legend ? size(legend) : { width: 0, height: 0 }, size(plot)];
  const width = Math.max(head.width, body.width) + 16, height = head.height + body.height + 20;
  const picture = d3.create("svg").attr("xmlns", "http://www.w3.org/2000/svg").attr("width", width).attr("height", height).attr("viewBox", `0 0 ${width} ${height}`).attr("font-family", "system-ui, sans-serif").attr("color", colourNow("--ink"));
  picture.append("rect").attr("width", width).attr("height", height).attr("fill", colourNow("--paper"));
  if (legend) picture.append(() => legend.cloneNode(true)).attr("x", 8).attr("y", 6);
  picture.append(() => plot.cloneNode(true)).attr("x", 8).attr("y", head.height + 12);
  const text = new XMLSerializer().serializeToString(picture.node());
  return { width, height, text: text.replace(/var\((--[a-z0-9-]+)\)/g, (_, name) => colourNow(name)) };
}

async function savePicture(name, kind, legend, plot) {
  const picture = pictureOf(legend, plot);
  const svg = new Blob([picture.text], { type: "image/svg+xml" });
  save(kind === "svg" ? svg : await pixels(svg, picture), `${name}.${kind}`);
}

// A picture in twice as many pixels as it is large, for print.
async function pixels(svg, { width, height }) {
  const image = new Image();
  const address = URL.createObjectURL(svg);
  image.src = address;
  await image.decode();
  const canvas = el("canvas", { width: 2 * width, height: 2 * height });
  const context = canvas.getContext("2d");
  context.scale(2, 2);
  context.drawImage(image, 0, 0, width, height);
  URL.revokeObjectURL(address);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

function save(blob, name) {
  const address = URL.createObjectURL(blob);
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

// A choice above a figure, which draws anew what it belongs to.
function choice(label, options, chosen, change) {
  const select = el("select", { onchange: () => change(select.value) }, options.map(([value, text]) => el("option", { value, selected: value === chosen }, text)));
  return el("label", {}, label, select);
}

const seriesOf = (page) => (record) => (page.severalRuns ? `${headingOf(record.place)} · ${visible(record.run)}` : headingOf(record.place));

// Twice the powers of ten between the ends of `values` are too many ticks for a narrow plot.
const logTicks = (width) => Math.max(2, Math.floor(width / 90));
const widthOf = (element) => Math.min(1180, Math.max(280, element.clientWidth || 800));
