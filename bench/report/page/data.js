"use strict";
// What was measured, as the page carries it, and small words for making elements.

async function readContent() {
  const bytes = Uint8Array.from(atob(document.getElementById("data").textContent), (c) => c.charCodeAt(0));
  const text = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(text).json();
}

const unpacked = (column) => column.all ?? column.at.map((place) => column.of[place]);

// The cases as objects with the columns of `xpbench table --format json`, in its order.
function casesOf(content) {
  const columns = Object.entries(content.cases).map(([name, column]) => [name, unpacked(column)]);
  return Array.from({ length: content.count }, (_, index) =>
    Object.fromEntries(columns.map(([name, values]) => [name, values[index]])));
}

const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

// `text` with every character that is not seen, or acts on the text around it, as its escape.
function visible(text) {
  return String(text).replace(INVISIBLE, (character) => {
    const named = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[character];
    const code = character.codePointAt(0).toString(16);
    if (named) return named;
    return code.length <= 2 ? `\\x${code.padStart(2, "0")}` : code.length <= 4 ? `\\u${code.padStart(4, "0")}` : `\\U${code.padStart(8, "0")}`;
  });
}

// An element with attributes (a function listens: {onclick: f}) and children, strings among them as text.
function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child != null));
  return element;
}

const placeOf = (record) => `${record.backend}@${record.device}`;
const headingOf = (place) => visible(place.replace(/@cpu$/, ""));

const distinct = (items) => [...new Set(items)];

// The keys of a size such as "n=16,d=8", as numbers.
const sizeOf = (text) => Object.fromEntries(text.split(",").filter(Boolean).map((pair) => {
  const [key, value] = pair.split("=");
  return [key, Number(value)];
}));

// By metric, the cells of the comparison in the order of the cases: lines of a text and a tone.
const SAID = {};
const saidOf = (record, metric) => SAID[metric]?.[record.index];

// "1 thread", "2 threads".
const counted = (count, thing) => `${count} ${thing}${count === 1 ? "" : "s"}`;
