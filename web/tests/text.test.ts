import { describe, expect, it } from "vitest";
import { bracketed, briefly, tokenParts, visible } from "../src/characters";
import { pythonCode, shellWord, steerCommand } from "../src/code";
import { families, shade, underline } from "../src/examples";
import { along, axisOf } from "../src/metrics";
import { niceCeiling, numbersOf } from "../src/numbers";
import { en } from "../src/words/en";
import { es } from "../src/words/es";

describe("text of a corpus", () => {
  it("hides nothing and turns nothing around", () => {
    expect(visible("a\u0000b\u200bc\u202ed\u2066\ufeff")).toBe("a\ufffdb\ufffdc\ufffdd\ufffd\ufffd");
    expect(visible("line\r\nbreak\tand")).toBe("line↵break⇥and");
    expect(visible("<b> ñ 🇪🇸 👩‍🚀 שלום")).toBe("<b> ñ 🇪🇸 👩‍🚀 שלום");
  });

  it("is cut where it says", () => {
    expect(tokenParts(" piano")).toEqual({ space: true, word: "piano" });
    expect(tokenParts("piano")).toEqual({ space: false, word: "piano" });
    expect(bracketed("keys [moved]")).toEqual({ before: "keys ", inside: "moved", after: "" });
    expect(bracketed("]keys[")).toEqual({ before: "]keys[", inside: "", after: "" });
    expect(briefly("towers (41 % of activation); near fog")).toBe("towers; near fog");
  });
});

describe("numbers", () => {
  const [english, spanish] = [numbersOf("en"), numbersOf("es")];

  it.each([
    [0.03124, "0.0312", "0,0312"],
    [4096, "4,096", "4.096"],
    [47.44, "47.4", "47,4"],
    [0, "0", "0"],
    [null, "–", "–"],
    [Number.NaN, "–", "–"],
  ])("%s is written %s, or %s in Spanish", (value, first, second) => {
    expect([english.written(value), spanish.written(value)]).toEqual([first, second]);
  });

  it("has shares, durations and large counts", () => {
    expect([0.41, 0.0052, 0, 1].map(english.percent)).toEqual(["41\u00a0%", "0.52\u00a0%", "0\u00a0%", "100\u00a0%"]);
    expect([41, 260, 7500].map(english.duration)).toEqual(["41\u00a0s", "4\u00a0min 20\u00a0s", "2\u00a0h 05\u00a0min"]);
    expect(english.compact(1_500_000)).toBe("1.5 million");
    expect(spanish.compact(2_000_000)).toBe("2 millones");
    expect([0.37, 2.76, 1, 0, 11].map(niceCeiling)).toEqual([0.4, 3, 1, 1, 15]);
  });
});

describe("examples", () => {
  const example = { position: 5, document: 0, start: 0, tokens: [], activations: [], peak: 1 };

  it("stand in families, the strongest of each first", () => {
    const kinds = ["top", "interval 1", "interval 4", "top", "near miss"].map((kind) => ({ ...example, kind }));
    const found = families(kinds);
    expect(found.map((each) => each.name)).toEqual(["top", "interval", "near miss"]);
    expect(found[0]?.kinds[0]?.examples).toHaveLength(2);
    expect(found[1]?.kinds.map((each) => each.place)).toEqual([4, 1]);
    expect(found[1]?.of).toBe(4);
  });

  it("are shaded by their share of the largest; whatever fires has a shade", () => {
    expect([0, 1e-6, 5, 10, 11, -1].map((each) => shade(each, 10))).toEqual([0, 1, 5, 10, 10, 0]);
    expect(shade(1, 0)).toBe(0);
    expect([null, 0.05, 0.1, -0.5, 2].map(underline)).toEqual(["", "", "helped by1", "hurt by2", "helped by3"]);
  });
});

describe("an axis", () => {
  const metric = { name: "kl", interval: null, unit: "nats", formula: "", misleads: "" };

  it("holds zero and every value", () => {
    expect(axisOf({ ...metric, value: 0.3, baselines: { neurons: 2.76, pca: null } })).toEqual([0, 3]);
    expect(axisOf({ ...metric, value: -0.5, baselines: {} })).toEqual([-0.5, 0]);
    expect(axisOf({ ...metric, unit: "fraction", value: 0.1, baselines: {} })).toEqual([0, 1]);
    expect([along(1.5, [0, 3]), along(1, [0, 0])]).toEqual([50, 0]);
  });
});

describe("code to copy", () => {
  it("quotes what a run may be called", () => {
    expect(shellWord("runs/a-1")).toBe("runs/a-1");
    expect(shellWord("it's; rm")).toBe("'it'\\''s; rm'");
    expect(steerCommand("my run", 4)).toContain("monoscope steer 'my run' --feature 4 --clamp 1 --prompt ");
    expect(steerCommand("r", 4, 0.5)).toContain("--clamp 0.5 ");
    expect(pythonCode('a"b', "builtin", 4)).toContain('ms.load_dictionary("a\\"b/dictionary")');
  });
});

describe("the languages", () => {
  const said = (value: unknown): string[] =>
    typeof value === "string" ? [value] : typeof value === "object" && value !== null ? Object.values(value).flatMap(said) : [];
  const keys = (value: unknown, path = ""): string[] =>
    typeof value === "object" && value !== null ? Object.entries(value).flatMap(([key, each]) => keys(each, `${path}.${key}`)) : [path];

  it("say the same things, none of them empty", () => {
    expect(keys(es)).toEqual(keys(en));
    expect([...said(en), ...said(es)].filter((each) => !each.trim())).toEqual([]);
  });
});
