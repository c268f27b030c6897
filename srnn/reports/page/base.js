// What all charts have in common: the data, elements, colours, numbers in words, and the box that tells what is pointed
// at. Whatever is shown is put in as text, never as markup.

const charts = {};
const sections = JSON.parse(document.getElementById("data").textContent);
const TYPES = ["divergent", "zero", "identity", "secondary", "other", "all"];
const STATES = { dead: "zero", unclear: "other", useful: "identity", harmful: "divergent" };
const SERIES = 8;

// A table as {names, columns, length}; words come once each, with their places.
function unpacked(columns) {
  const table = { names: columns.map((column) => column.name), columns: {}, numeric: {}, length: 0 };
  for (const column of columns) {
    table.columns[column.name] = column.values || column.places.map((place) => column.words[place]);
    table.numeric[column.name] = Boolean(column.values);
    table.length = table.columns[column.name].length;
  }
  return table;
}

// The rows in which the columns have these values.
function rowsWhere(table, where) {
  const tests = Object.entries(where).filter(([name]) => name in table.columns);
  const rows = [];
  for (let row = 0; row < table.length; row++) {
    if (tests.every(([name, value]) => String(table.columns[name][row]) === value)) rows.push(row);
  }
  return rows;
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function drawn(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// The picture of a chart, with its title for those who do not see it.
function picture(spec, width, height) {
  return drawn("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": label(spec.title) });
}

// The least and the largest of some numbers, of which there may be more than a function takes arguments.
function extent(values) {
  return values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
}

function colour(name, place) {
  const type = STATES[name] || name;
  return TYPES.includes(type) ? `var(--type-${type})` : `var(--series-${place % SERIES})`;
}

// Whether a series is told apart from an earlier one of its colour by dashes.
function isDashed(place) {
  return place >= SERIES;
}

// What a colour of the style is now: scripts that do not draw elements need its numbers.
function rgb(variable) {
  const hex = getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
  return [1, 3, 5].map((place) => parseInt(hex.slice(place, place + 2), 16) / 255);
}

function short(value) {
  if (value === null || value === undefined) return "–";
  if (Number.isInteger(value)) return value.toLocaleString("en");
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e6) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}

function ranged(mean, low, high) {
  return low === null || low === undefined ? short(mean) : `${short(mean)} (${short(low)} … ${short(high)})`;
}

function label(words) {
  return String(words).replaceAll("_", " ");
}

const tip = document.getElementById("tip");

// Tell what is pointed at: a heading, and lines of a colour and words.
function tell(event, heading, lines) {
  tip.replaceChildren(element("b", {}, heading));
  for (const [tint, words] of lines) {
    const line = element("div");
    if (tint) {
      const mark = element("i");
      mark.style.background = tint;
      line.append(mark);
    }
    line.append(words);
    tip.append(line);
  }
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const right = event.clientX + 14 + width < innerWidth;
  tip.style.left = `${Math.max(4, right ? event.clientX + 14 : event.clientX - 14 - width)}px`;
  tip.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - height - 4))}px`;
}

function hush() {
  tip.hidden = true;
}

addEventListener("scroll", hush, { passive: true });

// Names under a chart; one that is pressed puts its series out or in again.
function legend(names, order, hidden, redraw, kind = "") {
  const box = element("div", { class: `legend ${kind}` });
  for (const name of names) {
    const mark = element("i");
    const place = order.indexOf(name);
    const tint = colour(name, place);
    mark.style.background = isDashed(place) ? `repeating-linear-gradient(90deg, ${tint} 0 5px, transparent 5px 8px)` : tint;
    const button = element("button", { type: "button", "aria-pressed": String(!hidden.has(name)) }, mark, label(name));
    button.addEventListener("click", () => {
      if (!hidden.delete(name)) hidden.add(name);
      const stage = box.parentElement;
      redraw();
      // Another legend is there now: whoever uses the keyboard stays where he was.
      stage.querySelectorAll(".legend button")[names.indexOf(name)].focus({ preventScroll: true });
    });
    box.append(button);
  }
  return box;
}
