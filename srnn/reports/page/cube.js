// The trajectories of particles through weight space: two components on the floor, the epoch as height.

// Numbers of so many bytes, as they were packed: the least first.
function unpackedNumbers(text, bytes) {
  const raw = atob(text);
  const numbers = bytes === 1 ? new Uint8Array(raw.length) : new Uint16Array(raw.length / 2);
  for (let place = 0; place < numbers.length; place++) {
    numbers[place] = bytes === 1 ? raw.charCodeAt(place) : raw.charCodeAt(2 * place) | (raw.charCodeAt(2 * place + 1) << 8);
  }
  return numbers;
}

charts.cube = (stage, spec) => {
  const view = camera();
  const canvas = element("canvas", { tabindex: "0", role: "img", "aria-label": `${label(spec.title)}: drag or use the arrow keys to turn` });
  const frame = element("div", { class: "stage" }, canvas);
  const said = element("p", { class: "said" });
  const copy = element("button", { type: "button", class: "copy" }, "Copy these trajectories");
  const marks = ["PC1", "PC2", "epoch"].map((name) => element("span", {}, name));
  frame.append(...marks);
  stage.append(frame, said, copy);
  const drawer = drawerOf(canvas, repaint);
  const epochs = spec.epochs.length;
  let [cloud, layer, loaded, epoch, waiting] = [null, null, "", epochs - 1, false];

  function load({ Layer, Type = "all", Colour = "type at the end" }) {
    layer = spec.layers[Layer];
    if (!layer) {
      cloud = null;
      return;
    }
    const count = layer.names.length;
    const steps = unpackedNumbers(layer.points, 2);
    const points = new Float32Array(3 * epochs * count);
    for (let index = 0; index < epochs * count; index++) {
      points[3 * index] = steps[2 * index] / 32767.5 - 1;
      points[3 * index + 1] = steps[2 * index + 1] / 32767.5 - 1;
      points[3 * index + 2] = (2 * Math.floor(index / count)) / Math.max(1, epochs - 1) - 1;
    }
    const kinds = unpackedNumbers(layer.then, 1);
    if (Colour === "type at the end") for (let index = 0; index < kinds.length; index++) kinds[index] = layer.types[index % count];
    const wanted = (kind) => Type === "all" || (Type === "all but zero" ? spec.labels[kind] !== "zero" : spec.labels[kind] === Type);
    const often = spec.labels.map((_, kind) => layer.types.filter((one) => one === kind).length);
    // What is most frequent lies behind the rest.
    const visible = [...layer.types.keys()].filter((place) => wanted(layer.types[place]));
    visible.sort((one, other) => often[layer.types[other]] - often[layer.types[one]] || one - other);
    cloud = { points, kinds, count, visible, steps };
    drawer.load(cloud);
  }

  function paint() {
    waiting = false;
    const ratio = Math.min(2, devicePixelRatio || 1);
    const [width, height] = [Math.max(240, frame.clientWidth), Math.min(560, Math.max(320, frame.clientWidth * 0.85))];
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.height = `${height}px`;
    }
    if (!cloud) {
      said.textContent = "There is no such layer here.";
      return;
    }
    const tints = [...TYPES.map((type) => rgb(`--type-${type}`)), rgb("--line")];
    drawer.draw(view, epoch, tints);
    // The epoch is told at the edge that is furthest to the left.
    const edges = CORNERS.map(([one, other]) => [1.1 * one, 1.1 * other, 0.1]);
    const left = (place) => view.place(place, width, height)[0];
    const leftmost = edges.reduce((best, place) => (left(place) < left(best) ? place : best));
    [[0, -1.15, -1], [1.15, 0, -1], leftmost].forEach((place, order) => {
      const [x, y] = view.place(place, width, height);
      marks[order].style.transform = `translate(${Math.min(width - 34, Math.max(0, x - 16))}px, ${y - 8}px)`;
    });
    const shown = cloud.visible.length;
    const some = layer.names.length < layer.of ? `${short(shown)} drawn, chosen evenly of ${short(layer.of)}` : `${short(shown)} of ${short(layer.of)}`;
    const ranges = [0, 1].map((axis) => {
      const [low, high] = [layer.low[axis], layer.high[axis]].map((end) => short(Number(end.toPrecision(2))));
      const share = layer.explained[axis];
      return `PC${axis + 1} from ${low} to ${high}${share === null ? "" : `, ${(100 * share).toFixed(1)} % of the variance`}`;
    });
    said.textContent = `epoch ${short(spec.epochs[epoch])}: ${some} particles; ${ranges.join("; ")}`;
    stage.dataset.epoch = spec.epochs[epoch];
  }

  function repaint() {
    if (!waiting) requestAnimationFrame(paint);
    waiting = true;
  }

  function turn(across, up) {
    view.turn += across;
    view.tilt = Math.max(-1.5, Math.min(1.5, view.tilt + up));
    repaint();
  }

  let held = null;
  canvas.addEventListener("pointerdown", (event) => {
    held = [event.clientX, event.clientY];
    canvas.setPointerCapture(event.pointerId);
    hush();
  });
  canvas.addEventListener("pointerup", () => (held = null));
  canvas.addEventListener("pointercancel", () => (held = null));
  canvas.addEventListener("pointermove", (event) => {
    if (held) {
      turn((event.clientX - held[0]) * -0.01, (event.clientY - held[1]) * 0.01);
      held = [event.clientX, event.clientY];
    } else if (cloud) {
      point(event);
    }
  });
  canvas.addEventListener("pointerleave", hush);
  canvas.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [0.1, 0], ArrowRight: [-0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] }[event.key];
    if (!way) return;
    event.preventDefault();
    turn(...way);
  });

  function componentsOf(index) {
    return [0, 1].map((axis) => layer.low[axis] + (cloud.steps[2 * index + axis] / 65535) * (layer.high[axis] - layer.low[axis]));
  }

  // Tell which particle is under the pointer.
  function point(event) {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let [best, distance] = [-1, 14];
    for (const place of cloud.visible) {
      const index = epoch * cloud.count + place;
      const [px, py] = view.place(cloud.points.subarray(3 * index, 3 * index + 3), box.width, box.height);
      const away = Math.hypot(px - x, py - y);
      if (away < distance) [best, distance] = [place, away];
    }
    if (best < 0) {
      hush();
      return;
    }
    const [one, other] = componentsOf(epoch * cloud.count + best);
    const type = spec.labels[layer.types[best]];
    tell(event, layer.names[best], [
      [`var(--type-${type})`, `${type} at the end`],
      ["", `PC1 ${short(Number(one.toPrecision(4)))}, PC2 ${short(Number(other.toPrecision(4)))}`],
    ]);
  }

  copy.addEventListener("click", () => {
    const lines = ["Particle\tType\tEpoch\tPC1\tPC2"];
    for (const place of cloud ? cloud.visible : []) {
      for (let step = 0; step < epochs; step++) {
        const [one, other] = componentsOf(step * cloud.count + place);
        lines.push([layer.names[place], spec.labels[layer.types[place]], spec.epochs[step], one.toPrecision(5), other.toPrecision(5)].join("\t"));
      }
    }
    copied(copy, lines.join("\n"));
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);

  return function draw(state) {
    const wanted = JSON.stringify(state.chosen);
    if (wanted !== loaded) load(state.chosen);
    loaded = wanted;
    // Experiments need not have logged the same epochs: each shows its last one until then.
    epoch = Math.max(0, spec.epochs.filter((one) => one <= state.epoch).length - 1);
    repaint();
  };
};
