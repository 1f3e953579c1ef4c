import { describe, expect, it } from "vitest";
import type { Kin, Relatives } from "../src/api";
import { columnsOf, GAP, linksOf, MOST, ROW, tallOf } from "../src/lineage";

const kin = (feature: number, similarity: number | null = 0.5): Kin => ({ feature, label: `label ${feature}`, similarity });
const many = (count: number, from = 100) => Array.from({ length: count }, (_, place) => kin(from + place));
const tree: Relatives[] = [
  { width: 64, own: false, features: [kin(1, null)] },
  { width: 256, own: true, features: [kin(9), kin(5), kin(7)] },
  { width: 1024, own: false, features: many(3) },
  { width: 4096, own: false, features: many(24) },
];

describe("the columns of a feature's kin", () => {
  it("tell where each stands, and the feature itself comes first", () => {
    const columns = columnsOf(tree, 5, "itself", new Set());
    expect(columns.map((each) => each.side)).toEqual(["from", "own", "to", "to"]);
    expect(columns[1]?.kin.map((each) => each.feature)).toEqual([5, 9, 7]);
    expect(columns[1]?.kin[0]?.label).toBe("label 5");
  });

  it("have the feature even where the server left it out", () => {
    const [only] = columnsOf([{ width: 256, own: true, features: many(24) }], 5, "itself", new Set());
    expect(only?.kin[0]).toEqual({ feature: 5, label: "itself", similarity: null });
    expect(only?.rest).toBe(25 - MOST);
  });

  it("show some of many, all when unfolded", () => {
    const columns = columnsOf(tree, 5, "itself", new Set());
    expect(columns.map((each) => [each.kin.length, each.rest])).toEqual([[1, 0], [3, 0], [3, 0], [MOST, 24 - MOST]]);
    const unfolded = columnsOf(tree, 5, "itself", new Set([4096]));
    expect([unfolded[3]?.kin.length, unfolded[3]?.rest, unfolded[3]?.links.length]).toEqual([24, 0, 3 + 24]);
  });
});

describe("the links", () => {
  const ends = (link: string) => (link.match(/[\d.]+/g) ?? []).map(Number).filter((_, place) => place < 2 || place > 5);

  it("lead from the feature alone to what it becomes", () => {
    const columns = columnsOf(tree, 5, "itself", new Set());
    expect(columns.map((each) => each.links.length)).toEqual([0, 3, 3, 3 + MOST]);
    expect(columns[2]?.links.map(ends)).toEqual([0, 1, 2].map((row) => [0, ROW / 2, GAP, ROW * (row + 0.5)]));
  });

  it("of several go through one point, so that none says more than is known", () => {
    expect(linksOf(2, 3).map(ends)).toEqual([
      [0, ROW / 2, GAP / 2, ROW / 2],
      [0, 1.5 * ROW, GAP / 2, ROW / 2],
      ...[0, 1, 2].map((row) => [GAP / 2, ROW / 2, GAP, ROW * (row + 0.5)]),
    ]);
  });

  it("have room for the longer of two columns", () => {
    const [first, second] = columnsOf(tree, 5, "itself", new Set());
    expect(second && tallOf(first, second)).toBe(3 * ROW);
    expect(first && tallOf(undefined, first)).toBe(ROW);
  });
});
