import { describe, expect, it } from "vitest";
import { columnsOf, curveOf, fillingOf, gapsOf, Generator, keptOf, lengthOf, medianOf, overlapsOf, sharesOf, Toy, TOYS, type Setting } from "../src/superposition";

const SLOW = 60_000;
const [FEW, MANY] = TOYS;

function learnt(setting: Setting): number[][] {
  const toy = new Toy(setting);
  while (!toy.done) toy.learn();
  return columnsOf(toy);
}

describe("five ideas in two neurons", () => {
  it.each([0, 1, 2, 3])("make a pentagon where ideas are rare, with seed %s", (seed) => {
    const columns = learnt({ ...FEW, often: 0.02, seed });
    const gaps = gapsOf(columns);
    expect(keptOf(columns)).toHaveLength(5);
    expect(Math.min(...gaps)).toBeGreaterThan(70);
    expect(Math.max(...gaps)).toBeLessThan(74);
    for (const column of columns) expect(Math.abs(lengthOf(column) - 1.155)).toBeLessThan(0.03);
  });

  it.each([0, 1, 2])("have room for two where all are always there, with seed %s", (seed) => {
    const columns = learnt({ ...FEW, often: 1, seed });
    const [first, second] = columns.map(lengthOf).toSorted((one, other) => other - one);
    expect(keptOf(columns).length).toBeLessThanOrEqual(3);
    expect(fillingOf(columns)).toBeCloseTo(1, 1);
    expect([first, second].every((each) => Number(each) > 0.7)).toBe(true);
  });
});

describe("twenty ideas in five neurons", () => {
  it("keep about five where all are always there, and share nothing", () => {
    const columns = learnt({ ...MANY, batch: 256, often: 1, seed: 2 });
    const kept = keptOf(columns).length;
    expect(Math.abs(kept - 5)).toBeLessThanOrEqual(1);
    expect(Math.abs(1 / fillingOf(columns) - 0.99)).toBeLessThan(0.02);
  }, SLOW);

  it("lie two on a line where half of them are there", () => {
    const columns = learnt({ ...MANY, batch: 64, often: 0.5, seed: 0 });
    const kept = keptOf(columns);
    const shares = sharesOf(columns);
    expect(kept.length).toBeGreaterThanOrEqual(8);
    expect(kept.length).toBeLessThanOrEqual(10);
    expect(Math.abs(medianOf(kept.map((place) => shares[place] ?? 0)) - 0.5)).toBeLessThan(0.02);
  }, SLOW);

  it("are kept the more, the rarer they are", () => {
    const some = keptOf(learnt({ ...MANY, batch: 64, often: 0.2, seed: 0 }));
    const columns = learnt({ ...MANY, often: 0.02, seed: 0 });
    expect(some.length).toBeGreaterThanOrEqual(13);
    expect(keptOf(columns)).toHaveLength(20);
    expect(Math.abs(medianOf(sharesOf(columns)) - 0.25)).toBeLessThan(0.02);
  }, SLOW);
});

describe("learning", () => {
  const setting = { ideas: 4, neurons: 3, often: 0.6, seed: 5, steps: 30, batch: 40 };

  it("goes down the slope of the loss, as small differences measure it", () => {
    const toy = new Toy(setting);
    for (let step = 0; step < 20; step += 1) toy.learn();
    toy.draw();
    toy.measure();
    const differences = (values: Float64Array) => {
      const size = 1e-6;
      return Array.from(values, (value, place) => {
        values[place] = value + size;
        const above = toy.measure();
        values[place] = value - size;
        const below = toy.measure();
        values[place] = value;
        return (above - below) / (2 * size);
      });
    };
    const [weights, biases] = [toy.weightGradient.slice(), toy.biasGradient.slice()];
    differences(toy.weights).forEach((each, place) => expect(weights[place]).toBeCloseTo(each, 6));
    differences(toy.biases).forEach((each, place) => expect(biases[place]).toBeCloseTo(each, 6));
    expect(Math.max(...weights.map(Math.abs))).toBeGreaterThan(1e-3);
  });

  it("is the same from the same seed, ends when it is done, and differs from another seed", () => {
    expect(learnt(setting)).toEqual(learnt(setting));
    expect(learnt(setting)).not.toEqual(learnt({ ...setting, seed: 6 }));
    const toy = new Toy(setting);
    for (let step = 0; step < 50; step += 1) toy.learn();
    expect([toy.step, columnsOf(toy)]).toEqual([30, learnt(setting)]);
  });

  it.each([0, -0.1, 1.1, Number.NaN])("takes no probability of %s", (often) => {
    expect(() => new Toy({ ...setting, often })).toThrow(/probability/);
  });

  it("takes no part of an idea, a neuron, a step or an example", () => {
    for (const wrong of [{ ideas: 0 }, { neurons: 1.5 }, { steps: 0 }, { batch: -1 }]) expect(() => new Toy({ ...setting, ...wrong })).toThrow(RangeError);
  });

  it("draws ideas as often as it is told, evenly between nothing and one", () => {
    const toy = new Toy({ ...setting, often: 0.25, batch: 20_000 });
    toy.draw();
    const present = toy.inputs.filter((each) => each > 0);
    expect(present.length / toy.inputs.length).toBeCloseTo(0.25, 2);
    expect(present.reduce((sum, each) => sum + each, 0) / present.length).toBeCloseTo(0.5, 2);
    const generator = new Generator(1);
    expect(generator.next()).not.toBe(generator.next());
  });
});

describe("what is read off the columns", () => {
  const digon = [[1, 0], [-1, 0], [0, 0.1]];

  it("is lengths, angles, overlaps and room", () => {
    expect(keptOf(digon)).toEqual([0, 1]);
    expect(gapsOf(digon)).toEqual([180, 180]);
    expect(gapsOf([[1, 0]])).toEqual([]);
    expect(overlapsOf(digon)[0]).toEqual([1, -1, 0]);
    expect(sharesOf(digon)).toEqual([0.5, 0.5, 1]);
    expect(sharesOf([[0, 0]])).toEqual([0]);
    expect([fillingOf(digon), fillingOf([])]).toEqual([expect.closeTo(1.005, 6), 0]);
    expect([medianOf([3, 1, 2]), medianOf([4, 1])]).toEqual([2, 2.5]);
  });

  it("is a curve of means of the losses so far", () => {
    const losses = Float64Array.from([4, 2, 3, 1, 9, 9, 9, 9]);
    expect(curveOf(losses, 4, 4)).toEqual([3, 2]);
    expect(curveOf(losses, 3, 4)).toEqual([3, 3]);
    expect(curveOf(losses, 0, 4)).toEqual([]);
  });
});
