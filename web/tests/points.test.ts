import { describe, expect, it } from "vitest";
import { activeAt, cellAt, CELL, moved, share } from "../src/lens";
import { fitted, frequenciesOf, frequencyLevels, nearestPoint, patience, pixelOf, placeAt, pointsOf, sampleOf, zoomed } from "../src/points";

function bytesOf(points: [number, number, number, number?][]): ArrayBuffer {
  const view = new DataView(new ArrayBuffer(16 * points.length));
  points.forEach(([feature, x, y, density = 0.5], place) => {
    view.setInt32(4 * place, feature, true);
    view.setFloat32(4 * (points.length + place), x, true);
    view.setFloat32(4 * (2 * points.length + place), y, true);
    view.setFloat32(4 * (3 * points.length + place), density, true);
  });
  return view.buffer;
}
const random = (seed: number) => () => (seed = (seed * 48271) % 2147483647) / 2147483647;

describe("the map's points", () => {
  it("are read as they were written", () => {
    const points = pointsOf(bytesOf([[412, -1, 1, 0.125], [7, 0.5, -0.25, 0]]));
    expect([...points.features]).toEqual([412, 7]);
    expect([...points.x, ...points.y]).toEqual([-1, 0.5, 1, -0.25]);
    expect([...points.density]).toEqual([0.125, 0]);
    expect(() => pointsOf(new ArrayBuffer(12))).toThrow("12 bytes");
    expect(pointsOf(new ArrayBuffer(0)).count).toBe(0);
  });

  it("are found as one by one comparison finds them", () => {
    const next = random(1);
    const points = pointsOf(bytesOf(Array.from({ length: 3000 }, (_, place) => [place, 2 * next() - 1, 2 * next() - 1])));
    for (let each = 0; each < 200; each += 1) {
      const [x, y, within] = [2.2 * next() - 1.1, 2.2 * next() - 1.1, 0.05 * next()];
      const distances = Array.from(points.x, (value, place) => Math.hypot(value - x, (points.y[place] ?? 0) - y));
      const least = Math.min(...distances);
      const found = nearestPoint(points, x, y, within);
      if (found === null) expect(least).toBeGreaterThan(within * (1 - 1e-6));
      else expect(distances[found]).toBeCloseTo(least, 9);
    }
  });

  it("are more crowded in a crowd", () => {
    const crowd = Array.from({ length: 50 }, (_, place): [number, number, number] => [place, 0.3, 0.3]);
    const points = pointsOf(bytesOf([...crowd, [99, -0.9, -0.9]]));
    expect(points.crowding[0]).toBe(1);
    expect(points.crowding[50]).toBeCloseTo(Math.log(2) / Math.log(51), 5);
  });

  it("are sampled evenly, all of them where they are few", () => {
    expect([...sampleOf(3, 10)]).toEqual([0, 1, 2]);
    const some = sampleOf(200_000, 50_000);
    expect([some.length, some[0], some[49_999]]).toEqual([50_000, 0, 199_996]);
  });
});

describe("how often features fire", () => {
  it("is told between powers of ten that hold nearly all", () => {
    const most = Array.from({ length: 998 }, (_, place) => 0.0002 + 0.00005 * place);
    const { low, high, never } = frequenciesOf(Float32Array.from([1e-7, ...most, 0.9]));
    expect([low, high, never]).toEqual([1e-3, 0.1, false].map((each) => (typeof each === "number" ? expect.closeTo(each, 9) : each)));
    expect(frequenciesOf(Float32Array.from([0.01, 0.01, 0]))).toEqual({ low: 0.01, high: 0.1, never: true });
  });

  it("rises with the logarithm, and what never fires has none", () => {
    const levels = frequencyLevels(Float32Array.from([0, 1e-9, 0.0001, 0.01, 0.5]), { low: 0.0001, high: 1, never: true });
    [-1, 0, 0, 0.5, 0.9247].forEach((level, place) => expect(levels[place]).toBeCloseTo(level, 4));
  });

  it("has a scale even where nothing fires", () => {
    expect(frequenciesOf(new Float32Array(3))).toEqual({ low: 1, high: 10, never: true });
    expect([...frequencyLevels(new Float32Array(2), frequenciesOf(new Float32Array(2)))]).toEqual([-1, -1]);
  });
});

it("the page asks for a map that is being drawn less and less often", () => {
  expect([0, 1, 2, 3, 4, 50].map(patience)).toEqual([1000, 2000, 4000, 8000, 10_000, 10_000]);
});

describe("the camera", () => {
  it("leads from a pixel to a place and back", () => {
    const camera = { x: 0.2, y: -0.1, scale: 300 };
    const [x, y] = placeAt(camera, 17, 230, 640, 480);
    const [left, top] = pixelOf(camera, [x, y], 640, 480);
    expect([left, top].map((each) => Math.round(each * 1e6) / 1e6)).toEqual([17, 230]);
  });

  it("zooms to where the pointer is, and not without end", () => {
    const camera = fitted(640, 480);
    const nearer = zoomed(camera, 3, 100, 50, 640, 480);
    placeAt(nearer, 100, 50, 640, 480).forEach((each, axis) => expect(each).toBeCloseTo(placeAt(camera, 100, 50, 640, 480)[axis] ?? 0, 9));
    expect(zoomed(camera, 1e9, 0, 0, 640, 480).scale).toBeCloseTo(camera.scale * 400, 6);
  });
});

describe("the lens' cells", () => {
  const feature = { feature: 1, description: null, max_activation: 10, activations: [0, 5, 20] };

  it("are walked with the arrows, and have ends", () => {
    expect(moved({ row: 0, column: 0 }, "ArrowLeft", 3, 5)).toEqual({ row: 0, column: 0 });
    expect(moved({ row: 0, column: 3 }, "PageDown", 3, 5)).toEqual({ row: 0, column: 4 });
    expect(moved({ row: 1, column: 3 }, "ArrowDown", 3, 5)).toEqual({ row: 2, column: 3 });
    expect(moved({ row: 1, column: 3 }, "x", 3, 5)).toBeNull();
  });

  it("lie under the pointer", () => {
    expect(cellAt(1, CELL.head + 1, 0, 3, 5)).toEqual({ row: 0, column: 0 });
    expect(cellAt(1, 5, 2 * CELL.width, 3, 5)).toEqual({ row: -1, column: 2 });
    expect(cellAt(6 * CELL.width, CELL.head + 1, 0, 3, 5)).toBeNull();
  });

  it("show the share of the largest activation, which a text may surpass", () => {
    expect([0, 1, 2, 9].map((token) => share(feature, token))).toEqual([0, 0.5, 1, 0]);
    expect(activeAt([{ ...feature, feature: 2, max_activation: 100 }, feature], 1).map((each) => each.feature)).toEqual([1, 2]);
    expect(activeAt([feature], 0)).toEqual([]);
  });
});
