// Particles as edges between units. Edges of one type and about one width are one path: thousands cost nothing.

charts.graph = (stage, spec, tables) => {
  const table = tables[spec.frame];
  const { columns } = table;
  const WIDTHS = [0.5, 1, 1.8, 3];
  const sizes = columns["Effective weight"].map((value) => Math.abs(value ?? 0));
  const largest = extent(sizes)[1] || 1;

  return function draw(state) {
    const width = Math.max(260, stage.clientWidth);
    const height = Math.min(460, Math.max(300, width * 0.75));
    const across = scale(0, spec.units.length - 1, 10, width - 10);
    const down = (layer, unit) => 10 + ((spec.units[layer] > 1 ? unit / (spec.units[layer] - 1) : 0.5)) * (height - 34);
    const chosen = state.chosen.Type ?? "all";
    const visible = [];
    const paths = new Map();
    for (let row = 0; row < table.length; row++) {
      const type = columns.Type[row];
      if (chosen !== "all" && (chosen === "all but zero" ? type === "zero" : type !== chosen)) continue;
      const [from, to] = spec.ends[row];
      const layer = spec.layers[row];
      const line = [across(layer), down(layer, from), across(layer + 1), down(layer + 1, to)];
      visible.push([row, line]);
      const thick = Math.min(WIDTHS.length - 1, Math.floor((sizes[row] / largest) * WIDTHS.length));
      const key = `${thick} ${type}`;
      const short = line.map((value) => value.toFixed(1));
      paths.set(key, `${paths.get(key) || ""}M${short[0]} ${short[1]}L${short[2]} ${short[3]}`);
    }
    const svg = picture(spec, width, height);
    for (const key of [...paths.keys()].sort()) {
      const [thick, type] = key.split(" ");
      const path = drawn("path", { class: "edge", d: paths.get(key), "stroke-width": WIDTHS[thick] });
      path.style.stroke = `var(--type-${type})`;
      path.style.opacity = visible.length > 600 && thick === "0" ? 0.4 : 0.85;
      svg.append(path);
    }
    spec.units.forEach((count, layer) => {
      for (let unit = 0; unit < count; unit++) {
        const size = Math.min(4, Math.max(0.8, 120 / count));
        svg.append(drawn("circle", { class: "unit", cx: across(layer), cy: down(layer, unit), r: size }));
      }
      const name = layer === 0 ? "in" : layer === spec.units.length - 1 ? "out" : String(layer);
      const anchor = layer === 0 ? "start" : layer === spec.units.length - 1 ? "end" : "middle";
      svg.append(drawn("text", { x: across(layer), y: height - 6, "text-anchor": anchor }, name));
    });
    const mark = drawn("path", { class: "chosen" });
    svg.append(mark);
    svg.addEventListener("pointermove", (event) => {
      const found = closest(visible, placeOf(event, { svg, width }));
      if (!found) {
        mark.removeAttribute("d");
        hush();
        return;
      }
      const [row, [x1, y1, x2, y2]] = found;
      mark.setAttribute("d", `M${x1} ${y1}L${x2} ${y2}`);
      tell(event, columns.Particle[row], [
        [`var(--type-${columns.Type[row]})`, columns.Type[row]],
        ["", `worth ${short(columns["Effective weight"][row])}`],
        ["", `${columns.Source[row]} → ${columns.Target[row]}`],
      ]);
    });
    svg.addEventListener("pointerleave", () => {
      mark.removeAttribute("d");
      hush();
    });
    const names = TYPES.filter((type) => spec.counts[type]);
    const told = element("div", { class: "legend" });
    for (const type of names) {
      const tint = element("i");
      tint.style.background = `var(--type-${type})`;
      told.append(element("button", { type: "button", disabled: "" }, tint, `${type} ${short(spec.counts[type])}`));
    }
    stage.replaceChildren(svg, told);
  };

  // The edge nearest to a place, if one is near.
  function closest(visible, [x, y]) {
    let [best, distance] = [null, 7];
    for (const one of visible) {
      const [x1, y1, x2, y2] = one[1];
      if (x < x1 - 7 || x > x2 + 7) continue;
      const along = Math.max(0, Math.min(1, ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / ((x2 - x1) ** 2 + (y2 - y1) ** 2)));
      const away = Math.hypot(x - x1 - along * (x2 - x1), y - y1 - along * (y2 - y1));
      if (away < distance) [best, distance] = [one, away];
    }
    return best;
  }
};
