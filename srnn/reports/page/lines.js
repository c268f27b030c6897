// Curves over epochs, or whatever else grows: a line for each series, with its interval as a band.

charts.lines = (stage, spec, tables) => {
  const table = tables[spec.frame];
  const hidden = new Set();

  function series(state) {
    const { columns } = table;
    const found = new Map(spec.order.map((name) => [name, []]));
    for (const row of rowsWhere(table, { ...spec.where, ...state.chosen })) {
      const own = found.get(columns[spec.series][row]);
      if (own && columns.Mean[row] !== null && (!spec.logarithmic || columns.Mean[row] > 0)) {
        own.push({ x: columns[spec.x][row], y: columns.Mean[row], low: columns.Low[row], high: columns.High[row] });
      }
    }
    return found;
  }

  // As far as the means reach, and the bands a little further.
  function reach(lines) {
    const points = lines.flat();
    if (!points.length) return [0, 1];
    const means = points.map((point) => point.y);
    let [low, high] = [Math.min(...means), Math.max(...means)];
    const lows = Math.min(...points.map((point) => point.low ?? point.y));
    const highs = Math.max(...points.map((point) => point.high ?? point.y));
    if (spec.logarithmic) {
      [low, high] = [Math.max(lows, low / 30), Math.min(highs, high * 30)];
      return low === high ? [low / 2, high * 2] : [low, high];
    }
    const span = high - low;
    [low, high] = [Math.max(lows, low - span), Math.min(highs, high + span)];
    if (low === high) [low, high] = [low - Math.abs(low) * 0.1 - 1e-9, high + Math.abs(high) * 0.1 + 1e-9];
    const room = 0.04 * (high - low);
    return [spec.share && low >= 0 ? 0 : low - room, spec.share && high <= 1 && high > 0.5 ? 1.02 : high + room];
  }

  function draw(state) {
    const found = series(state);
    const names = spec.order.filter((name) => found.get(name).length);
    const shown = names.filter((name) => !hidden.has(name));
    const xs = [...new Set(names.flatMap((name) => found.get(name).map((point) => point.x)))].sort((a, b) => a - b);
    // All charts of a table share its epochs.
    const every = table.columns[spec.x];
    const y = reach(shown.map((name) => found.get(name)));
    let x = [every.reduce((one, other) => Math.min(one, other), Infinity), every.reduce((one, other) => Math.max(one, other), -Infinity)];
    if (x[0] >= x[1]) x = [x[0] - 1, x[0] + 1];
    const frame = element("div");
    stage.replaceChildren(frame);
    const chart = axes(frame, { x, y, xName: spec.x, logarithmic: spec.logarithmic });
    const clip = (value) => (spec.logarithmic ? Math.max(value, y[0] / 10) : value);
    for (const name of shown) {
      const points = found.get(name);
      const place = spec.order.indexOf(name);
      const tint = colour(name, place);
      const banded = points.filter((point) => point.low !== null && point.high !== null);
      if (banded.length > 1) {
        const above = banded.map((point) => `${chart.x(point.x)} ${chart.y(clip(point.high))}`);
        const below = banded.map((point) => `${chart.x(point.x)} ${chart.y(clip(point.low))}`).reverse();
        const band = drawn("path", { class: "band", d: `M${above.join("L")}L${below.join("L")}Z` });
        band.style.fill = tint;
        chart.plot.append(band);
      }
      const way = points.map((point) => `${chart.x(point.x)} ${chart.y(point.y)}`).join("L");
      const curve = drawn("path", { class: "curve", d: `M${way}` });
      curve.style.stroke = tint;
      if (isDashed(place)) curve.setAttribute("stroke-dasharray", "5 3");
      chart.plot.append(curve);
    }
    follow(chart, xs, (at) => `${label(spec.x)} ${short(at)}`, (at) =>
      shown.flatMap((name) => {
        const point = found.get(name).find((one) => one.x === at);
        const words = point && `${label(name)}: ${ranged(point.y, point.low, point.high)}`;
        return point ? [[colour(name, spec.order.indexOf(name)), words]] : [];
      }),
    );
    if (spec.order.length > 1) stage.append(legend(names, spec.order, hidden, () => draw(state)));
  }

  return draw;
};
