// How a cube is looked at, and what draws it: WebGL where there is any, else fewer particles by hand. Both end on a flat
// canvas, so that one can take the place of the other at any time.

// Where a point of the cube (each side from -1 to 1) is on the canvas, from -1 to 1 as well, without perspective.
function camera() {
  const view = { turn: 0.7, tilt: 0.42 };
  view.matrix = (width, height) => {
    const [c, s] = [Math.cos(view.turn), Math.sin(view.turn)];
    const [d, t] = [Math.cos(view.tilt), Math.sin(view.tilt)];
    // A cube seen from its corner is as wide as its diagonal.
    const size = 0.575;
    const [wide, high] = width > height ? [(size * height) / width, size] : [size, (size * width) / height];
    return [
      [c * wide, -s * wide, 0],
      [s * t * high, c * t * high, d * high],
    ];
  };
  view.place = ([x, y, z], width, height) => {
    const [across, up] = view.matrix(width, height);
    return [
      ((across[0] * x + across[1] * y + across[2] * z + 1) / 2) * width,
      ((1 - (up[0] * x + up[1] * y + up[2] * z)) / 2) * height,
    ];
  };
  return view;
}

const CORNERS = [-1, 1].flatMap((x) => [-1, 1].flatMap((y) => [-1, 1].map((z) => [x, y, z])));
const SIDES = CORNERS.flatMap((one) =>
  CORNERS.filter((other) => other > one && one.filter((value, axis) => value !== other[axis]).length === 1).map((other) => [one, other]),
);

// Draws a cube: {load(cloud), draw(view, epoch, colours)}. A cloud is {points: Float32Array of x, y, z, epoch by epoch;
// kinds: Uint8Array, a colour for each; count: particles; visible: their places}. `redraw` is called if WebGL is lost.
function drawerOf(canvas, redraw) {
  const hand = byHand(canvas);
  const { gl, program } = webGL();
  if (!program) return hand;
  const quick = byWebGL(canvas, gl, program);
  gl.canvas.addEventListener("webglcontextlost", redraw);
  return {
    load(cloud) {
      quick.load(cloud);
      hand.load(cloud);
    },
    draw(...how) {
      (gl.isContextLost() ? hand : quick).draw(...how);
    },
  };
}

// What all cubes are drawn with, one after the other, as browsers have no more than some 16 contexts for a page; without
// a program where there is no WebGL, or one that does not do.
function webGL() {
  return (webGL.made ??= begun());

  function begun() {
    // Smooth lines would take twice as long where there is no graphics card.
    const gl = element("canvas").getContext("webgl2", { antialias: false });
    const program = gl && linked(gl);
    if (!program) return {};
    gl.useProgram(program);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    return { gl, program };
  }
}

// The program; null if it cannot be.
function linked(gl) {
  const compiled = (kind, text) => {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    return shader;
  };
  const program = gl.createProgram();
  const vertex = `#version 300 es
    in vec3 place; in float kind; uniform vec3 across, up; uniform vec3 tints[7]; uniform float size; out vec3 tint;
    void main() {
      gl_Position = vec4(dot(across, place), dot(up, place), 0.0, 1.0);
      gl_PointSize = size; tint = tints[int(kind + 0.5)];
    }`;
  const fragment = `#version 300 es
    precision mediump float; in vec3 tint; uniform float strength; uniform bool round; out vec4 colour;
    void main() {
      if (round && length(gl_PointCoord - 0.5) > 0.5) discard;
      colour = vec4(tint * strength, strength);
    }`;
  gl.attachShader(program, compiled(gl.VERTEX_SHADER, vertex));
  gl.attachShader(program, compiled(gl.FRAGMENT_SHADER, fragment));
  gl.linkProgram(program);
  return gl.getProgramParameter(program, gl.LINK_STATUS) ? program : null;
}

function byWebGL(canvas, gl, program) {
  const context = canvas.getContext("2d");
  const uniform = (name) => gl.getUniformLocation(program, name);
  const buffers = Object.fromEntries(["place", "kind", "box", "boxKind", "ways", "heads"].map((name) => [name, gl.createBuffer()]));
  const box = new Float32Array(SIDES.flat(2));
  fill(gl.ARRAY_BUFFER, buffers.box, box);
  fill(gl.ARRAY_BUFFER, buffers.boxKind, new Uint8Array(box.length / 3).fill(6));
  let cloud;

  function fill(target, buffer, values) {
    gl.bindBuffer(target, buffer);
    gl.bufferData(target, values, gl.STATIC_DRAW);
  }

  function bind(place, kind) {
    for (const [name, buffer, size, type] of [["place", place, 3, gl.FLOAT], ["kind", kind, 1, gl.UNSIGNED_BYTE]]) {
      const at = gl.getAttribLocation(program, name);
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, size, type, false, 0, 0);
    }
  }

  return {
    load(next) {
      cloud = next;
      fill(gl.ARRAY_BUFFER, buffers.place, cloud.points);
      fill(gl.ARRAY_BUFFER, buffers.kind, cloud.kinds);
      const epochs = cloud.points.length / 3 / cloud.count;
      const ways = new Uint32Array(2 * cloud.visible.length * (epochs - 1));
      let end = 0;
      for (let epoch = 1; epoch < epochs; epoch++) {
        for (const place of cloud.visible) {
          ways[end++] = (epoch - 1) * cloud.count + place;
          ways[end++] = epoch * cloud.count + place;
        }
      }
      fill(gl.ELEMENT_ARRAY_BUFFER, buffers.ways, ways);
      const heads = new Uint32Array(epochs * cloud.visible.length);
      for (let epoch = 0; epoch < epochs; epoch++) {
        cloud.visible.forEach((place, order) => (heads[epoch * cloud.visible.length + order] = epoch * cloud.count + place));
      }
      fill(gl.ELEMENT_ARRAY_BUFFER, buffers.heads, heads);
    },
    draw(view, epoch, colours) {
      const many = cloud.visible.length;
      // Setting a size takes time even if it is the same.
      if (gl.canvas.width !== canvas.width) gl.canvas.width = canvas.width;
      if (gl.canvas.height !== canvas.height) gl.canvas.height = canvas.height;
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      const [across, up] = view.matrix(canvas.width, canvas.height);
      gl.uniform3fv(uniform("across"), across);
      gl.uniform3fv(uniform("up"), up);
      gl.uniform3fv(uniform("tints"), new Float32Array(colours.flat()));
      gl.uniform1i(uniform("round"), 0);
      gl.uniform1f(uniform("strength"), 1);
      bind(buffers.box, buffers.boxKind);
      gl.drawArrays(gl.LINES, 0, box.length / 3);
      bind(buffers.place, buffers.kind);
      gl.uniform1f(uniform("strength"), strengthOf(many));
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, buffers.ways);
      gl.drawElements(gl.LINES, 2 * many * epoch, gl.UNSIGNED_INT, 0);
      gl.uniform1i(uniform("round"), 1);
      gl.uniform1f(uniform("strength"), 0.95);
      gl.uniform1f(uniform("size"), (many > 300 ? 3.4 : 5) * (canvas.width / canvas.clientWidth || 1));
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, buffers.heads);
      gl.drawElements(gl.POINTS, many, gl.UNSIGNED_INT, 4 * many * epoch);
      context.clearRect(0, 0, canvas.width, canvas.height);
      context.globalAlpha = 1;
      context.drawImage(gl.canvas, 0, 0);
    },
  };
}

// How strong a trail is where there are so many.
function strengthOf(many) {
  return Math.min(0.9, Math.max(0.16, 12 / Math.sqrt(many + 1) - 0.1));
}

// The same by hand.
function byHand(canvas) {
  const MOST = 250;
  const context = canvas.getContext("2d");
  let cloud;
  return {
    load(next) {
      cloud = next;
    },
    draw(view, epoch, colours) {
      const { width, height } = canvas;
      const tint = (kind) => `rgb(${colours[kind].map((value) => Math.round(255 * value)).join(" ")})`;
      const at = (index) => view.place(cloud.points.subarray(3 * index, 3 * index + 3), width, height);
      context.clearRect(0, 0, width, height);
      context.globalAlpha = 1;
      context.strokeStyle = tint(6);
      context.beginPath();
      for (const [one, other] of SIDES) {
        context.moveTo(...view.place(one, width, height));
        context.lineTo(...view.place(other, width, height));
      }
      context.stroke();
      const every = Math.max(1, Math.ceil(cloud.visible.length / MOST));
      const few = cloud.visible.filter((_, order) => order % every === 0);
      context.globalAlpha = strengthOf(few.length);
      for (const place of few) {
        context.strokeStyle = context.fillStyle = tint(cloud.kinds[epoch * cloud.count + place]);
        context.beginPath();
        context.moveTo(...at(place));
        for (let step = 1; step <= epoch; step++) context.lineTo(...at(step * cloud.count + place));
        context.stroke();
        const [x, y] = at(epoch * cloud.count + place);
        context.fillRect(x - 2, y - 2, 4, 4);
      }
    },
  };
}
