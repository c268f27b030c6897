// Curves over epochs, or whatever else grows: a line for each series, with its interval as a band.

charts.lines = (stage, spec, tables) => {
  const table = tables[spec.frame];
  const hidden = new Set();

  function series(state) {
    const { columns } = table;
    const found = new Map(spec.order.map((name) => [name, []]));
    for (const row of rowsWhere(table, { ...spec.where, ...state.chosen })) {
      const own = found.get(columns[spec.series][row]);
      const mean = columns.Mean[row];
      if (own && columns[spec.x][row] !== null && mean !== null && (!spec.logarithmic || mean > 0)) {
        own.push({ x: columns[spec.x][row], y: mean, low: columns.Low[row], high: columns.High[row] });
      }
    }
    return found;
  }

  // As far as the means reach, and the bands a little further.
  function reach(lines) {
    const points = lines.flat();
    let [low, high] = extent(points.map((point) => point.y));
    const [lows] = extent(points.map((point) => point.low ?? point.y));
    const [, highs] = extent(points.map((point) => point.high ?? point.y));
    if (spec.logarithmic) {
      [low, high] = [Math.max(lows, low / 30), Math.min(highs, high * 30)];
      return low === high ? [low / 2, high * 2] : [low, high];
    }
    // Of equal means all that there is to see is the band.
    const span = high - low || Infinity;
    [low, high] = [Math.max(lows, low - span), Math.min(highs, high + span)];
    if (low === high) [low, high] = [low - Math.abs(low) * 0.1 - 1e-9, high + Math.abs(high) * 0.1 + 1e-9];
    const room = 0.04 * (high - low);
    return [spec.share && low >= 0 ? 0 : low - room, spec.share && high <= 1 && high > 0.5 ? 1.02 : high + room];
  }

  // A single point, which is no line, with its interval.
  function mark(chart, { x, y, low, high }, tint, clip) {
    const dot = drawn("circle", { cx: chart.x(x), cy: chart.y(y), r: 3.5 });
    dot.style.fill = tint;
    chart.plot.append(dot);
    if (low === null || high === null) return;
    const arm = drawn("path", { class: "arm", d: `M${chart.x(x)} ${chart.y(clip(low))}V${chart.y(clip(high))}` });
    arm.style.stroke = tint;
    chart.plot.append(arm);
  }

  function draw(state) {
    const found = series(state);
    const names = spec.order.filter((name) => found.get(name).length);
    const shown = names.filter((name) => !hidden.has(name));
    const xs = [...new Set(names.flatMap((name) => found.get(name).map((point) => point.x)))].sort((a, b) => a - b);
    if (!names.length) {
      stage.replaceChildren(element("p", { class: "said" }, "There is nothing to draw: no number was measured that this axis can show."));
      return;
    }
    const y = reach((shown.length ? shown : names).map((name) => found.get(name)));
    // All charts of a table share its epochs.
    let x = extent(table.columns[spec.x].filter((value) => value !== null));
    if (x[0] >= x[1]) x = around(x[0], 1);
    const frame = element("div");
    stage.replaceChildren(frame);
    const chart = axes(frame, spec, x, y);
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
      if (points.length === 1) mark(chart, points[0], tint, clip);
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
