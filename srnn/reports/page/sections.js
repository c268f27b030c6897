// Menus choose for all charts of a section; what can be played goes through the epochs of all of them at once.

// Milliseconds.
const DURATION = 3500;

for (const section of sections) {
  const place = document.getElementById(section.key);
  const [menus, grid, below] = ["menus", "charts", "tables"].map((name) => place.querySelector(`.${name}`));
  const tables = {};
  for (const [title, columns] of Object.entries(section.tables)) {
    tables[title] = unpacked(columns);
    below.append(foldedTable(title, tables[title]));
  }
  const state = { chosen: {}, epoch: section.epochs.at(-1) };
  const draws = [];
  const redraw = () => draws.forEach((draw) => draw(state));

  for (const menu of section.charts.length ? section.menus : []) {
    if (menu.choices.length) state.chosen[menu.column] = menu.choices[0];
    if (menu.choices.length < 2) continue;
    const select = element("select", { name: menu.column }, ...menu.choices.map((choice) => element("option", { value: choice }, label(choice))));
    select.addEventListener("change", () => {
      state.chosen[menu.column] = select.value;
      redraw();
    });
    menus.append(element("label", {}, menu.label, select));
  }
  if (section.charts.length && section.epochs.length > 1) menus.append(player(section.epochs, state, redraw));

  if (section.charts.length < 3) grid.classList.add("few");
  for (const spec of section.charts) {
    const stage = element("div");
    grid.append(element("figure", { "data-kind": spec.kind }, element("figcaption", {}, label(spec.title)), stage));
    draws.push(charts[spec.kind](stage, spec, tables));
  }
  if (!draws.length) continue;
  let width = 0;
  // Drawn when it has a width, and anew when that changes.
  new ResizeObserver(() => {
    if (grid.clientWidth !== width) redraw();
    width = grid.clientWidth;
  }).observe(grid);
}

function player(epochs, state, redraw) {
  const slider = element("input", { type: "range", min: 0, max: epochs.length - 1, value: epochs.length - 1, "aria-label": "epoch" });
  const told = element("output", {}, `epoch ${short(epochs.at(-1))}`);
  const button = element("button", { type: "button" }, "Play");
  let playing = 0;

  function show(place) {
    slider.value = place;
    state.epoch = epochs[place];
    told.textContent = `epoch ${short(epochs[place])}`;
    redraw();
  }

  function stop() {
    cancelAnimationFrame(playing);
    playing = 0;
    button.textContent = "Play";
  }

  // By the clock: a slow machine leaves epochs out, and is at the end in time.
  function play() {
    const start = performance.now();
    let last = -1;
    const step = (now) => {
      const place = Math.min(epochs.length - 1, Math.max(0, Math.floor(((now - start) / DURATION) * epochs.length)));
      if (place !== last) show(place);
      last = place;
      if (place === epochs.length - 1) stop();
      else playing = requestAnimationFrame(step);
    };
    button.textContent = "Stop";
    playing = requestAnimationFrame(step);
  }

  button.addEventListener("click", () => (playing ? stop() : play()));
  slider.addEventListener("input", () => {
    stop();
    show(Number(slider.value));
  });
  return element("div", { class: "time" }, button, slider, told);
}
