// Parts of a whole over the epochs, one on the other.

charts.areas = (stage, spec, tables) => {
  const table = tables[spec.frame];
  const hidden = new Set();

  return function draw(state) {
    const { columns } = table;
    const parts = new Map(spec.order.map((name) => [name, new Map()]));
    for (const row of rowsWhere(table, { ...spec.where, ...state.chosen })) {
      parts.get(columns[spec.series][row])?.set(columns[spec.x][row], columns.Mean[row] ?? 0);
    }
    const there = spec.order.filter((name) => [...parts.get(name).values()].some((value) => value > 0));
    const shown = there.filter((name) => !hidden.has(name));
    const xs = [...new Set([...parts.values()].flatMap((part) => [...part.keys()]))].sort((a, b) => a - b);
    if (!xs.length) {
      stage.replaceChildren(element("p", { class: "said" }, "Nothing was counted here."));
      return;
    }
    const sums = xs.map(() => 0);
    const layers = shown.map((name) => {
      const below = [...sums];
      xs.forEach((x, place) => (sums[place] += parts.get(name).get(x) ?? 0));
      return { name, below, above: [...sums] };
    });
    const frame = element("div");
    stage.replaceChildren(frame);
    const x = xs.length > 1 ? [xs[0], xs.at(-1)] : around(xs[0], 1);
    const chart = axes(frame, spec, x, [0, extent(sums)[1] || 1]);
    // What was counted but once is a column: a line would not be seen.
    const column = [xs[0] + (x[0] - xs[0]) / 3, xs[0] + (x[1] - xs[0]) / 3];
    const edge = (values) => (xs.length > 1 ? values.map((value, place) => [xs[place], value]) : column.map((end) => [end, values[0]]));
    for (const { name, below, above } of layers) {
      const [over, under] = [above, below].map((values) => edge(values).map(([at, value]) => `${chart.x(at)} ${chart.y(value)}`));
      under.reverse();
      const area = drawn("path", { d: `M${over.join("L")}L${under.join("L")}Z` });
      area.style.fill = colour(name, spec.order.indexOf(name));
      chart.plot.append(area);
    }
    follow(chart, xs, (at) => `${label(spec.x)} ${short(at)}`, (at) =>
      [...shown].reverse().map((name) => [
        colour(name, spec.order.indexOf(name)),
        `${label(name)}: ${short(parts.get(name).get(at))}`,
      ]),
    );
    stage.append(legend(there, spec.order, hidden, () => draw(state), "areas"));
  };
};
