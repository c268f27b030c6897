// Two axes with their ticks, into which charts draw.

const MARGIN = { left: 50, right: 12, top: 10, bottom: 36 };

function niceStep(span, count) {
  const raw = span / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  return power * ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= raw * 0.999) || 10);
}

function linearTicks(low, high, count) {
  const step = niceStep(high - low || 1, count);
  // Counted, not added up: to a large number a small step adds nothing.
  const first = Math.ceil(low / step - 1e-9);
  const many = Math.min(4 * count, Math.floor(high / step + 1e-9) - first + 1);
  const ticks = new Set();
  for (let place = 0; place < many; place++) ticks.add(Number(((first + place) * step).toPrecision(15)));
  return [...ticks];
}

function logarithmicTicks(low, high, count) {
  const [first, last] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
  const every = Math.max(1, Math.ceil((last - first + 1) / count));
  const ticks = [];
  for (let power = first; power <= last; power += every) ticks.push(10 ** power);
  return ticks.length > 1 ? ticks : linearTicks(low, high, 3).filter((tick) => tick > 0);
}

function tickName(value) {
  const size = Math.abs(value);
  if (value && (size < 1e-3 || size >= 1e5)) {
    return value.toExponential().replace("e", "e").replace(/^1e/, "1e").replace("+", "");
  }
  return value.toLocaleString("en", { maximumFractionDigits: 6 });
}

// A scale from numbers to pixels.
function scale(low, high, from, to, logarithmic = false) {
  const of = logarithmic ? Math.log10 : Number;
  const [start, span] = [of(low), of(high) - of(low) || 1];
  const at = (value) => from + ((of(value) - start) / span) * (to - from);
  at.back = (pixel) => {
    const value = start + ((pixel - from) / (to - from)) * span;
    return logarithmic ? 10 ** value : value;
  };
  return at;
}

// Around a single value, so that an axis has two ends.
function around(value, least = 0) {
  const room = Math.max(least, 0.1 * Math.abs(value)) || 1;
  return [value - room, value + room];
}

// An empty chart of a figure: {svg, plot, x, y, width, height}; `plot` is cut off at the axes.
function axes(stage, spec, x, y) {
  const { logarithmic = false } = spec;
  const height = 230;
  const width = Math.max(220, stage.clientWidth);
  const inner = { left: MARGIN.left, right: width - MARGIN.right, top: MARGIN.top, bottom: height - MARGIN.bottom };
  const toX = scale(x[0], x[1], inner.left, inner.right);
  const toY = scale(y[0], y[1], inner.bottom, inner.top, logarithmic);
  const svg = picture(spec, width, height);
  const id = `cut-${(axes.count = (axes.count || 0) + 1)}`;
  const area = { x: inner.left, y: inner.top, width: inner.right - inner.left, height: inner.bottom - inner.top };
  svg.append(drawn("clipPath", { id }, drawn("rect", area)));
  const ticks = logarithmic ? logarithmicTicks(y[0], y[1], 5) : linearTicks(y[0], y[1], 4);
  for (const tick of ticks) {
    const at = toY(tick);
    svg.append(drawn("path", { class: "grid", d: `M${inner.left} ${at}H${inner.right}` }));
    svg.append(drawn("text", { x: inner.left - 6, y: at + 4, "text-anchor": "end" }, tickName(tick)));
  }
  for (const tick of linearTicks(x[0], x[1], width < 340 ? 4 : 6)) {
    const at = toX(tick);
    svg.append(drawn("path", { class: "grid", d: `M${at} ${inner.bottom}v4` }));
    svg.append(drawn("text", { x: at, y: inner.bottom + 16, "text-anchor": "middle" }, tickName(tick)));
  }
  svg.append(drawn("text", { x: inner.right, y: height - 5, "text-anchor": "end" }, label(spec.x).toLowerCase()));
  const plot = drawn("g", { "clip-path": `url(#${id})` });
  svg.append(plot);
  stage.replaceChildren(svg);
  return { svg, plot, x: toX, y: toY, inner, width, height };
}

// Where a pointer is over a chart, in its pixels.
function placeOf(event, { svg, width }) {
  const box = svg.getBoundingClientRect();
  return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.width) * width];
}

// The value of a sorted list that is nearest.
function nearest(values, wanted) {
  return values.reduce((best, value) => (Math.abs(value - wanted) < Math.abs(best - wanted) ? value : best), values[0]);
}

// A line under the pointer, and what there is to tell of the value at which it is.
function follow(chart, values, heading, lines) {
  const cursor = drawn("path", { class: "cursor" });
  chart.svg.append(cursor);
  chart.svg.addEventListener("pointermove", (event) => {
    if (!values.length) return;
    const at = nearest(values, chart.x.back(placeOf(event, chart)[0]));
    cursor.setAttribute("d", `M${chart.x(at)} ${chart.inner.top}V${chart.inner.bottom}`);
    tell(event, heading(at), lines(at));
  });
  chart.svg.addEventListener("pointerleave", () => {
    cursor.removeAttribute("d");
    hush();
  });
}
