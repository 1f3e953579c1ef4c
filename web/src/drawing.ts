// Points drawn by WebGL, or on a plain canvas where there is none.

import { pixelOf, sampleOf, sizeOf, type Camera, type Points } from "./points";

/** Most points that a plain canvas draws. */
export const MOST_PLAIN = 50_000;

export interface Look {
  camera: Camera;
  width: number;
  height: number;
  colours: Colours;
  /** Whether some points are to stand out from the others. */
  some: boolean;
}

/** Red, green and blue, from 0 to 255. */
export type Colour = [number, number, number];

/** What points of level 0 and of level 1 look like, and those of none; between them colours and strengths are mixed. */
export interface Colours {
  low: Colour;
  high: Colour;
  none: Colour;
  /** How much of its colour a point of level 0 has, and one of level 1. */
  strength: [number, number];
}

export interface Drawing {
  /** How many points it draws. */
  count: number;
  /** Bright are the points whose mark is 1. */
  mark(marks: Uint8Array): void;
  /** The level of each point, from 0 to 1; below 0 it has none. */
  level(levels: Float32Array): void;
  draw(look: Look): void;
  end(): void;
}

/** The best drawing that this canvas can have; null where it can have none. */
export function drawingOn(canvas: HTMLCanvasElement, points: Points): Drawing | null {
  const gl = canvas.getContext("webgl2", { antialias: false, alpha: true, premultipliedAlpha: true });
  if (gl) return webglDrawing(gl, canvas, points);
  const context = canvas.getContext("2d");
  return context && plainDrawing(context, canvas, points);
}

const ratio = (): number => Math.min(2, devicePixelRatio || 1);

function fit(canvas: HTMLCanvasElement, { width, height }: Look): void {
  const [wide, high] = [Math.round(width * ratio()), Math.round(height * ratio())];
  if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
}

// Where some points are marked they are bright and larger, and the others faint.
const alphaOf = (strength: number, marked: boolean, some: boolean): number => (some ? (marked ? 1 : 0.1) : strength);

const VERTEX = `#version 300 es
in vec2 place; in float level; in float marked;
uniform vec2 middle; uniform vec2 zoom; uniform float size; uniform float some;
uniform vec3 low; uniform vec3 high; uniform vec3 none; uniform vec2 strengths;
out float strength; flat out vec3 colour;
void main() {
  gl_Position = vec4((place - middle) * zoom, 0.0, 1.0);
  gl_PointSize = size * mix(1.0, 1.8, marked * some);
  strength = mix(mix(strengths.x, strengths.y, max(0.0, level)), mix(0.1, 1.0, marked), some);
  colour = level < 0.0 ? none : mix(low, high, level);
}`;
const FRAGMENT = `#version 300 es
precision highp float;
in float strength; flat in vec3 colour; uniform float size; out vec4 shade;
void main() {
  float off = distance(gl_PointCoord, vec2(0.5));
  float edge = 1.0 / max(2.0, size);
  float alpha = strength * (1.0 - smoothstep(0.5 - edge, 0.5, off));
  shade = vec4(colour * alpha, alpha);
}`;

function webglDrawing(gl: WebGL2RenderingContext, canvas: HTMLCanvasElement, points: Points): Drawing {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]] as const) {
    const shader = gl.createShader(kind);
    if (!shader) throw new Error("WebGL gave no shader");
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program) ?? "WebGL cannot draw points");
  gl.useProgram(program);
  const fill = (name: string, parts: number, data: Float32Array | Uint8Array, kind: number, usage: number) => {
    const buffer = gl.createBuffer();
    const at = gl.getAttribLocation(program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, data, usage);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, parts, kind, false, 0, 0);
    return buffer;
  };
  const places = new Float32Array(2 * points.count);
  for (let place = 0; place < points.count; place += 1) places.set([points.x[place] ?? 0, points.y[place] ?? 0], 2 * place);
  fill("place", 2, places, gl.FLOAT, gl.STATIC_DRAW);
  const levels = fill("level", 1, points.crowding, gl.FLOAT, gl.STATIC_DRAW);
  const marks = fill("marked", 1, new Uint8Array(points.count), gl.UNSIGNED_BYTE, gl.DYNAMIC_DRAW);
  const uniform = (name: string) => gl.getUniformLocation(program, name);
  const [middle, zoom, size, some, strengths] = [uniform("middle"), uniform("zoom"), uniform("size"), uniform("some"), uniform("strengths")];
  const shades = (["low", "high", "none"] as const).map((name) => ({ name, at: uniform(name) }));
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  return {
    count: points.count,
    mark(each) {
      gl.bindBuffer(gl.ARRAY_BUFFER, marks);
      gl.bufferSubData(gl.ARRAY_BUFFER, 0, each);
    },
    level(each) {
      gl.bindBuffer(gl.ARRAY_BUFFER, levels);
      gl.bufferSubData(gl.ARRAY_BUFFER, 0, each);
    },
    draw(look) {
      fit(canvas, look);
      const { camera, width, height, colours } = look;
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.uniform2f(middle, camera.x, camera.y);
      gl.uniform2f(zoom, (2 * camera.scale) / width, (2 * camera.scale) / height);
      gl.uniform1f(size, sizeOf(points.count, camera, width, height) * ratio());
      gl.uniform1f(some, look.some ? 1 : 0);
      gl.uniform2f(strengths, ...colours.strength);
      for (const { name, at } of shades) gl.uniform3f(at, colours[name][0] / 255, colours[name][1] / 255, colours[name][2] / 255);
      gl.drawArrays(gl.POINTS, 0, points.count);
    },
    end() {
      gl.getExtension("WEBGL_lose_context")?.loseContext();
    },
  };
}

/** Shades of a plain canvas between level 0 and level 1. */
const STEPS = 40;

function shadeOf({ low, high, none, strength }: Colours, step: number): { fill: string; strength: number } {
  const level = Math.max(0, step) / STEPS;
  const colour = step < 0 ? none : low.map((each, part) => each + level * ((high[part] ?? 0) - each));
  return { fill: `rgb(${colour.join(" ")})`, strength: strength[0] + level * (strength[1] - strength[0]) };
}

function plainDrawing(context: CanvasRenderingContext2D, canvas: HTMLCanvasElement, points: Points): Drawing {
  const sample = sampleOf(points.count, MOST_PLAIN);
  let steps = new Int8Array(points.count);
  let ordered = sample;
  let marks = new Uint8Array(points.count);
  let marked: number[] = [];
  return {
    count: sample.length,
    mark(each) {
      marks = each.slice();
      marked = Array.from(marks.keys()).filter((place) => marks[place]);
    },
    level(each) {
      steps = Int8Array.from(each, (level) => (level < 0 ? -1 : Math.round(level * STEPS)));
      ordered = sample.slice().sort((a, b) => (steps[a] ?? 0) - (steps[b] ?? 0));
    },
    draw(look) {
      fit(canvas, look);
      const { camera, width, height, some, colours } = look;
      context.setTransform(ratio(), 0, 0, ratio(), 0, 0);
      context.clearRect(0, 0, width, height);
      const size = sizeOf(sample.length, camera, width, height);
      const shades = Array.from({ length: STEPS + 2 }, (_, step) => shadeOf(colours, step - 1));
      let before: number | undefined;
      const dot = (place: number, across: number) => {
        const [left, top] = pixelOf(camera, [points.x[place] ?? 0, points.y[place] ?? 0], width, height);
        if (left < -9 || top < -9 || left > width + 9 || top > height + 9) return;
        const step = steps[place] ?? 0;
        const { fill, strength } = shades[step + 1] ?? shadeOf(colours, step);
        // They come in the order of their shades, so that it is seldom set.
        if (step !== before) context.fillStyle = fill;
        before = step;
        context.globalAlpha = alphaOf(strength, marks[place] === 1, some);
        context.fillRect(left - across / 2, top - across / 2, across, across);
      };
      for (const place of ordered) dot(place, size);
      // What stands out is drawn whole, whatever the sample left out, and above the rest.
      if (some) for (const place of marked) dot(place, size * 1.8);
      context.globalAlpha = 1;
    },
    end() {
      context.clearRect(0, 0, canvas.width, canvas.height);
    },
  };
}
