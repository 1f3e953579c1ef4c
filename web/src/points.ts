// The points of the map: where features lie, which is nearest, and where they crowd.

export interface Points {
  count: number;
  features: Int32Array;
  x: Float32Array;
  y: Float32Array;
  /** Share of the tokens that each fires on. */
  density: Float32Array;
  /** How crowded it is around each, from 0 to 1, on a logarithmic scale. */
  crowding: Float32Array;
  /** Places of the points of each cell, and where each cell begins among them. */
  order: Int32Array;
  begins: Int32Array;
}

/** Cells on a side, over -1..1. */
const SIDE = 128;
const BYTES = 16;

/** The points of the server's bytes: feature numbers, then x, y and density, each of four little-endian bytes. */
export function pointsOf(bytes: ArrayBuffer): Points {
  if (bytes.byteLength % BYTES) throw new RangeError(`${bytes.byteLength} bytes are no map`);
  const count = bytes.byteLength / BYTES;
  const view = new DataView(bytes);
  const features = Int32Array.from({ length: count }, (_, place) => view.getInt32(4 * place, true));
  const x = Float32Array.from({ length: count }, (_, place) => view.getFloat32(4 * (count + place), true));
  const y = Float32Array.from({ length: count }, (_, place) => view.getFloat32(4 * (2 * count + place), true));
  const density = Float32Array.from({ length: count }, (_, place) => view.getFloat32(4 * (3 * count + place), true));
  const { order, begins } = sorted(x, y);
  return { count, features, x, y, density, crowding: crowded(x, y, begins), order, begins };
}

const cellOf = (value: number): number => Math.max(0, Math.min(SIDE - 1, Math.floor(((value + 1) / 2) * SIDE)));

function sorted(x: Float32Array, y: Float32Array): { order: Int32Array; begins: Int32Array } {
  const begins = new Int32Array(SIDE * SIDE + 1);
  const cells = Int32Array.from(x, (value, place) => cellOf(y[place] ?? 0) * SIDE + cellOf(value));
  for (const cell of cells) begins[cell + 1] = (begins[cell + 1] ?? 0) + 1;
  for (let cell = 0; cell < SIDE * SIDE; cell += 1) begins[cell + 1] = (begins[cell + 1] ?? 0) + (begins[cell] ?? 0);
  const next = begins.slice();
  const order = new Int32Array(x.length);
  cells.forEach((cell, place) => {
    const at = next[cell] ?? 0;
    order[at] = place;
    next[cell] = at + 1;
  });
  return { order, begins };
}

/** Points in the nine cells around each point, by the logarithm, over the most that there are anywhere. */
function crowded(x: Float32Array, y: Float32Array, begins: Int32Array): Float32Array {
  const around = new Float32Array(SIDE * SIDE);
  let most = 0;
  for (let cell = 0; cell < around.length; cell += 1) {
    const [row, column] = [Math.floor(cell / SIDE), cell % SIDE];
    let sum = 0;
    for (let up = Math.max(0, row - 1); up <= Math.min(SIDE - 1, row + 1); up += 1) {
      const [from, to] = [up * SIDE + Math.max(0, column - 1), up * SIDE + Math.min(SIDE - 1, column + 1)];
      sum += (begins[to + 1] ?? 0) - (begins[from] ?? 0);
    }
    around[cell] = Math.log1p(sum);
    most = Math.max(most, around[cell] ?? 0);
  }
  return Float32Array.from(x, (value, place) => (around[cellOf(y[place] ?? 0) * SIDE + cellOf(value)] ?? 0) / (most || 1));
}

/** Shares from which and up to which colours differ. */
export interface Frequencies {
  low: number;
  high: number;
  /** Whether some never fire. */
  never: boolean;
}

/** Powers of ten around all but the rarest and the most frequent fiftieth. */
export function frequenciesOf(density: Float32Array): Frequencies {
  const known = density.filter((each) => each > 0).sort();
  const at = (part: number) => Math.log10(known[Math.round(part * (known.length - 1))] ?? 1);
  // What single precision does to a power of ten is no reason for another one.
  const low = Math.floor(at(0.02) + 1e-6);
  const high = Math.max(low + 1, Math.ceil(at(0.98) - 1e-6));
  return { low: 10 ** low, high: 10 ** high, never: known.length < density.length };
}

/** How often each fires, from 0 to 1 on a logarithmic scale; -1 for what never does. */
export function frequencyLevels(density: Float32Array, { low, high }: Frequencies): Float32Array {
  const whole = Math.log10(high / low);
  return density.map((each) => (each > 0 ? Math.max(0, Math.min(1, Math.log10(each / low) / whole)) : -1));
}

/** Milliseconds to wait before asking for the map again: 1 s, 2 s, 4 s, and so on up to 10 s. */
export const patience = (asked: number): number => Math.min(10_000, 1000 * 2 ** asked);

/** Place of the point nearest to (x, y) within a distance; null where there is none. */
export function nearestPoint({ x: xs, y: ys, order, begins }: Points, x: number, y: number, within: number): number | null {
  let best = within * within;
  let found: number | null = null;
  for (let row = cellOf(y - within); row <= cellOf(y + within); row += 1) {
    const [from, to] = [begins[row * SIDE + cellOf(x - within)] ?? 0, begins[row * SIDE + cellOf(x + within) + 1] ?? 0];
    for (let each = from; each < to; each += 1) {
      const place = order[each] ?? 0;
      const distance = ((xs[place] ?? 0) - x) ** 2 + ((ys[place] ?? 0) - y) ** 2;
      if (distance <= best) [best, found] = [distance, place];
    }
  }
  return found;
}

/** Places of at most so many points, spread evenly over all. */
export function sampleOf(count: number, most: number): Int32Array {
  const length = Math.min(count, most);
  return Int32Array.from({ length }, (_, place) => Math.floor((place * count) / length));
}

/** What part of the map is seen: its middle, and how many pixels one unit takes. */
export interface Camera {
  x: number;
  y: number;
  scale: number;
}

export const fitted = (width: number, height: number): Camera => ({ x: 0, y: 0, scale: Math.max(1, (Math.min(width, height) / 2) * 0.94) });

/** The map's place under a pixel. */
export function placeAt({ x, y, scale }: Camera, left: number, top: number, width: number, height: number): [number, number] {
  return [x + (left - width / 2) / scale, y - (top - height / 2) / scale];
}

/** The pixel of a place on the map. */
export function pixelOf({ x, y, scale }: Camera, at: [number, number], width: number, height: number): [number, number] {
  return [width / 2 + (at[0] - x) * scale, height / 2 - (at[1] - y) * scale];
}

/** Nearer or farther by a factor, while what is under a pixel stays there. */
export function zoomed(camera: Camera, factor: number, left: number, top: number, width: number, height: number): Camera {
  const whole = fitted(width, height).scale;
  const scale = Math.max(whole * 0.5, Math.min(whole * 400, camera.scale * factor));
  const [x, y] = placeAt(camera, left, top, width, height);
  return { x: x - (left - width / 2) / scale, y: y + (top - height / 2) / scale, scale };
}

/** Pixels across a point: larger as one comes nearer, smaller the more there are. */
export function sizeOf(count: number, camera: Camera, width: number, height: number): number {
  const near = Math.sqrt(camera.scale / fitted(width, height).scale);
  return Math.max(1.6, Math.min(14, (260 / Math.sqrt(Math.max(1, count))) * near));
}
