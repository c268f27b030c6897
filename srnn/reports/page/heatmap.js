// A cell for each combination of two settings, the darker (on dark paper: the brighter) the larger what was measured.

charts.heatmap = (stage, spec, tables) => {
  const table = tables[spec.frame];

  function values(name, rows) {
    const found = [...new Set(rows.map((row) => table.columns[name][row]))];
    return table.numeric[name] ? found.sort((a, b) => a - b) : found;
  }

  const named = (value) => (typeof value === "number" ? tickName(value) : value);
  const tint = (share) => `color-mix(in oklab, var(--heat-high) ${(100 * share).toFixed(1)}%, var(--heat-low))`;
  // Pixels that words take, more or less.
  const room = (words) => extent(words.map((word) => String(word).length))[1] * 6.6;

  function rect(x, y, width, height, share) {
    const made = drawn("rect", { class: "cell", x, y, width, height });
    made.style.fill = tint(share);
    return made;
  }

  return function draw(state) {
    const { columns } = table;
    const rows = rowsWhere(table, { ...spec.where, ...state.chosen });
    const [xs, ys] = [values(spec.x, rows), values(spec.y, rows)];
    const means = rows.map((row) => columns.Mean[row]);
    const [low, high] = extent(means);
    const width = Math.max(220, stage.clientWidth);
    const [left, top] = [Math.min(width * 0.35, room(ys.map(named)) + 12), 22];
    const cell = { width: Math.min(90, (width - left - 4) / xs.length), height: ys.length > 12 ? 18 : 28 };
    const [right, bottom] = [left + xs.length * cell.width, top + ys.length * cell.height];
    const svg = picture(spec, width, bottom + 36);
    const write = (x, y, anchor, words) => svg.append(drawn("text", { x, y, "text-anchor": anchor }, words));

    write(0, 12, "start", label(spec.y));
    write(right, bottom + 31, "end", label(spec.x));
    // No more names than fit beside each other.
    const every = Math.ceil((room(xs.map(named)) + 6) / cell.width);
    xs.forEach((value, place) => place % every || write(left + (place + 0.5) * cell.width, bottom + 15, "middle", named(value)));
    ys.forEach((value, place) => write(left - 6, bottom - (place + 0.5) * cell.height + 4, "end", named(value)));

    const fits = cell.width >= 38;
    for (const row of rows) {
      const mean = columns.Mean[row];
      const share = high > low ? (mean - low) / (high - low) : 0.5;
      const x = left + xs.indexOf(columns[spec.x][row]) * cell.width;
      const y = bottom - (ys.indexOf(columns[spec.y][row]) + 1) * cell.height;
      const group = drawn("g", {}, rect(x, y, cell.width, cell.height, share));
      if (fits) {
        const words = Math.abs(mean) >= 1e4 || (mean && Math.abs(mean) < 1e-3) ? mean.toExponential(0) : Number(mean.toPrecision(3));
        const written = drawn("text", { x: x + cell.width / 2, y: y + cell.height / 2 + 4, "text-anchor": "middle" }, words);
        written.style.fill = share > 0.55 ? "var(--paper)" : "var(--ink)";
        group.append(written);
      }
      const where = [spec.x, spec.y].map((name) => `${label(name)} ${named(columns[name][row])}`).join(", ");
      const told = [tint(share), ranged(mean, columns.Low[row], columns.High[row])];
      const runs = columns.Seeds[row] === 1 ? "1 run" : `mean of ${short(columns.Seeds[row])} runs`;
      group.addEventListener("pointermove", (event) => tell(event, where, [told, ["", runs]]));
      group.addEventListener("pointerleave", hush);
      svg.append(group);
    }

    // What the colours mean.
    if (high > low) {
      const end = width - 4 - room([short(high)]);
      write(end + 4, 12, "start", short(high));
      [0, 0.25, 0.5, 0.75, 1].forEach((share, place) => svg.append(rect(end - (5 - place) * 12, 3, 12, 11, share)));
      write(end - 64, 12, "end", short(low));
    }
    stage.replaceChildren(svg);
  };
};
