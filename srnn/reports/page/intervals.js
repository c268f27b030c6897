// A mark with its interval in a row for each of some: what is left with each choice of what is dropped, points of a sweep.

charts.intervals = (stage, spec, tables) => {
  const table = tables[spec.frame];

  return function draw(state) {
    const { columns } = table;
    const found = new Map();
    for (const row of rowsWhere(table, { ...spec.where, ...state.chosen })) {
      found.set(columns[spec.by][row], { mean: columns.Mean[row], low: columns.Low[row], high: columns.High[row] });
    }
    // Of a single seed the interval is that of the choices.
    for (const [name] of spec.rows) {
      const own = found.get(name);
      if (own && own.low === null && found.has(`${name} low`)) {
        own.low = found.get(`${name} low`).mean;
        own.high = found.get(`${name} high`).mean;
      }
    }
    const rows = spec.rows.filter(([name]) => found.get(name) && found.get(name).mean !== null);
    if (!rows.length) {
      stage.replaceChildren(element("p", { class: "said" }, "There is none of these here."));
      return;
    }
    const values = rows.flatMap(([name]) => Object.values(found.get(name)).filter((value) => value !== null));
    const width = Math.max(220, stage.clientWidth);
    const left = Math.min(190, width * 0.48);
    const step = 24;
    const bottom = 8 + rows.length * step;
    const [low, high] = extent(values);
    const room = 0.05 * (high - low);
    const ends = low < high ? [low - room, high + room] : around(low);
    const x = scale(...ends, left, width - 12);
    const svg = picture(spec, width, bottom + 24);
    for (const tick of linearTicks(...ends, 4)) {
      svg.append(drawn("path", { class: "grid", d: `M${x(tick)} 4V${bottom}` }));
      svg.append(drawn("text", { x: x(tick), y: bottom + 16, "text-anchor": "middle" }, tickName(tick)));
    }
    const guide = found.get(spec.guide);
    if (guide) svg.append(drawn("path", { class: "guide", d: `M${x(guide.mean)} 4V${bottom}` }));
    rows.forEach(([name, words], place) => {
      const own = found.get(name);
      const y = 8 + (place + 0.5) * step;
      const tint = spec.marked.includes(name) ? "var(--series-0)" : "var(--series-4)";
      const group = drawn("g");
      group.append(drawn("text", { x: left - 10, y: y + 4, "text-anchor": "end" }, words));
      if (own.low !== null && own.high !== null) {
        const arm = drawn("path", { class: "arm", d: `M${x(own.low)} ${y}H${x(own.high)}` });
        arm.style.stroke = tint;
        group.append(arm);
      }
      const mark = drawn("circle", { cx: x(own.mean), cy: y, r: 4.5 });
      mark.style.fill = tint;
      group.append(mark, drawn("rect", { x: 0, y: y - step / 2, width, height: step, fill: "transparent" }));
      group.addEventListener("pointermove", (event) => tell(event, words, [["", ranged(own.mean, own.low, own.high)]]));
      group.addEventListener("pointerleave", hush);
      svg.append(group);
    });
    const dropped = found.get("Dropped");
    const of = found.get("Particles");
    const said = dropped && of ? `${spec.said}; ${short(dropped.mean)} of ${short(of.mean)} particles are dropped` : spec.said;
    stage.replaceChildren(svg, element("p", { class: "said" }, said));
  };
};
