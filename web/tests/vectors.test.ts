import { describe, expect, it } from "vitest";
import type { Run, Vector, VectorBlock } from "../src/api";
import { sharedSetup, sharedText } from "../src/steering";
import {
  bestOf, emptyDraft, isReady, layersChart, llamaLine, measured, numberIn, pairsText, parsePairs, questionOf, READY_NAMES, readingBlock, readyDraft, rounded, setupOf,
  strengthOf, tint, tintClass, vectorCode,
} from "../src/vectors";

const reliability = { accuracy: 0.9, low: 0.8, high: 0.95, random: 0.5, difference: 1, explained: 0.1, n_pairs: 20, n_groups: 10 };
const block = (number: number, part: Partial<VectorBlock> = {}): VectorBlock => ({ block: number, length: 1, norm: 3, middle_half: false, reliability, ...part });
const vector = (part: Partial<Vector> = {}): Vector => ({
  name: "joy", hash: "", method: "pca", unit: "mean residual norm", recommended: null, n_pairs: 100, held_out: 0.2, seed: 0, best_block: 2, blocks: [0, 1, 2, 3].map((each) => block(each)), ...part,
});
const writing = { prompt: 'Say "it"', seed: 3, temperature: 0.5, tokens: 20 };

describe("pairs that are pasted", () => {
  it("are JSON lines or have a tab, and the others are told by number", () => {
    const text = '\ufeff{"positive": "a", "negative": "b", "group": 1}\r\n\n c \t d\nno tab\n{"positive": "a"}\na\tb\tc\n\tb\n{';
    expect(parsePairs(text)).toEqual({ pairs: [{ positive: "a", negative: "b" }, { positive: "c", negative: "d" }], wrong: [4, 5, 6, 7, 8] });
  });

  it("come back from the file they are saved in", () => {
    const pairs = [{ positive: 'He said "yes"\nand left', negative: "a\tb" }, { positive: "", negative: " " }];
    expect(parsePairs(pairsText(pairs))).toEqual({ pairs: pairs.slice(0, 1), wrong: [] });
  });
});

describe("what the server is asked", () => {
  it("is personas or pairs, never both", () => {
    const personas = { ...emptyDraft(), name: " joy ", positive: "a\n\n b ", negative: "c\nd", pairs: [{ positive: "x", negative: "y" }] };
    expect(questionOf(personas, true)).toEqual({
      name: "joy", pairs: [], personas: { positive: ["a", "b"], negative: ["c", "d"], template: "{persona} {suffix}" }, method: "mean_difference", held_out: 0.2, seed: 0, overwrite: true,
    });
    expect(questionOf({ ...personas, from: "pairs", pairs: [...personas.pairs, { positive: " ", negative: "" }] }, false)).toMatchObject({
      pairs: [{ positive: "x", negative: "y" }], personas: null, overwrite: false,
    });
  });

  it("waits for a name and some text", () => {
    expect(isReady(emptyDraft())).toBe(false);
    expect(isReady({ ...emptyDraft(), name: "a", from: "pairs" })).toBe(false);
    expect(isReady({ ...emptyDraft(), name: "a", positive: "x" })).toBe(false);
    expect(READY_NAMES.map((name) => isReady(readyDraft(name)))).toEqual([true, true]);
  });

  it.each([["0.5", 0.5], ["", null], [" ", null], ["x", null], ["2", null], ["1e-1", 0.1]])("takes %j as %j", (text, wanted) => expect(numberIn(text, 0, 1, false)).toBe(wanted));
});

describe("the chart of the blocks", () => {
  const frame = { left: 10, right: 410, top: 0, base: 100 };

  it("has each block in the middle of its place", () => {
    const chart = layersChart([block(1, { middle_half: true }), block(2, { middle_half: true }), block(3), block(4)], frame);
    expect([1, 4].map(chart.across)).toEqual([60, 360]);
    expect(chart.stripe).toEqual({ x: 10, width: 200 });
    expect([0, 0.5, 1].map(chart.up)).toEqual([100, 50, 0]);
    expect(chart.named).toEqual([1, 2, 3, 4]);
  });

  it("names fewer blocks where there are many, and needs no middle", () => {
    const chart = layersChart(Array.from({ length: 80 }, (_, place) => block(place)), frame);
    expect(chart.stripe).toBeNull();
    expect(chart.named.length).toBeLessThan(16);
    expect(chart.named[0]).toBe(0);
  });

  it("knows the best block and the measured ones", () => {
    expect(bestOf(vector())).toBe(reliability);
    expect(bestOf(vector({ best_block: null }))).toBeNull();
    expect(measured([block(0, { reliability: null }), block(5)]).map((each) => each.block)).toEqual([5]);
    expect([vector(), vector({ best_block: null }), vector({ best_block: null, blocks: [] })].map(readingBlock)).toEqual([2, 2, null]);
  });
});

describe("colours", () => {
  it("have a side and a size", () => {
    expect([-2, -1, -0.01, 0, 0.01, 1, 3].map((score) => tintClass(tint(score, 2)))).toEqual(["n10", "n5", "s0", "s0", "s0", "s5", "s10"]);
    expect([tint(1, 0), tint(NaN, 1)]).toEqual([0, 0]);
  });

  it("come with numbers that have no negative zero", () => expect([Object.is(rounded(-0.0004, 3), 0), rounded(-0.126, 2)]).toEqual([true, -0.13]));
});

describe("a vector elsewhere", () => {
  it("is steered with the strength that is known to work", () => {
    expect([strengthOf(vector()), strengthOf(vector({ recommended: 0.15 }))]).toEqual([0.3, 0.15]);
    const setup = setupOf("joy", -0.4, writing);
    expect(sharedSetup(sharedText(setup))).toEqual(setup);
  });

  it("pushes llama.cpp as far as the page does", () => {
    expect(llamaLine("joy", 0.3, 1)).toBe("llama-cli --control-vector-scaled joy.gguf:0.3");
    expect(llamaLine("ñandú", 0.3, 0.7)).toBe("llama-cli --control-vector-scaled 'ñandú.gguf':0.4286");
  });

  it("is code in which strings are strings", () => {
    const code = vectorCode({ name: 'runs/"one"', model: { name: "builtin", hash: "" } } as Run, "joy", 0.3, writing);
    expect(code).toContain('vector = load("runs/\\"one\\"/vectors/joy")');
    expect(code).toContain("with ms.steer(lm, None, [ms.Rule(edit=ms.Add(0.3), vector=vector)]):");
    expect(code).toContain('lm.generate("Say \\"it\\"", n_tokens=20, temperature=0.5, seed=3)');
  });
});
