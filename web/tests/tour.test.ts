import { describe, expect, it } from "vitest";
import type { Latent } from "../src/api";
import { partsOf, plainOf, termsOf } from "../src/glossary";
import { familyOf, litPlaces, MOST_LATENTS, nameOf, neuronExamples, peakWords, STEPS, universalityMetric } from "../src/tour";
import { tour as en } from "../src/words/tour.en";
import { tour as es } from "../src/words/tour.es";

/** Every sentence of the words, those that take figures with Greek letters in their place. */
function said(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value === "function") return [value("Ξ", "Ψ", "Ω", "Δ")];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(said) : [];
}

const told = ({ glossary: _, ...rest }: typeof en): string[] => said(rest);

// Words of the field, as they are written in each language, and the terms that explain them.
const JARGON: Record<"en" | "es", Record<string, RegExp>> = {
  en: {
    model: /\bmodels?\b/i, layer: /\blayers?\b/i, neuron: /\bneurons?\b/i, sparse: /\bsparse\b/i, superposition: /\bsuperposition\b/i,
    direction: /\bdirections?\b/i, loss: /\bloss\b/i, feature: /\bfeatures?\b/i, token: /\btokens?\b/i, activation: /\bactivations?\b/i,
    polysemantic: /\bpolysemantic/i, monosemantic: /\bmonosemantic/i, dictionary: /\bdictionar(y|ies)\b/i, concept: /\bconcepts?\b/i,
    pca: /\b(pca|principal components?)\b/i, baseline: /\bbaselines?\b/i, seed: /\bseeds?\b/i, correlation: /\bcorrelations?\b/i,
    steering: /\bsteer/i, variance: /\bvariance\b/i, dead: /\bdead\b/i, random: /\brandom directions?\b/i,
  },
  es: {
    model: /\bmodelos?\b/i, layer: /\bcapas?\b/i, neuron: /\bneuronas?\b/i, sparse: /\bdispers[oa]s?\b/i, superposition: /superposición/i,
    direction: /direcci(ón|ones)/i, loss: /pérdida/i, feature: /\brasgos?\b/i, token: /\btokens?\b/i, activation: /activaci(ón|ones)/i,
    polysemantic: /polisemántic/i, monosemantic: /\bmonosemántic/i, dictionary: /\bdiccionarios?\b/i, concept: /\bconceptos?\b/i,
    pca: /\b(pca|componentes? principal)/i, baseline: /\breferencias?\b/i, seed: /\bsemillas?\b/i, correlation: /correlaci(ón|ones)/i,
    steering: /\bdirigir\b/i, variance: /\bvarianza\b/i, dead: /\bmuert[oa]s?\b/i, random: /direcci(ón|ones) al azar/i,
  },
};
/** Words that nobody is to meet on this page. */
const NEVER = /\b(residual|logits?|embedding|autoencoder|SAE|MLP|L0|FVU|ablat\w+|latents?|sparsity|autocodificador)\b/i;

describe.each([["en", en], ["es", es]] as const)("the tour in %s", (language, words) => {
  it("explains every term that it marks", () => {
    const terms = told(words).flatMap(termsOf);
    expect(terms.length).toBeGreaterThan(15);
    expect(terms.filter((each) => !words.glossary[each]?.[1])).toEqual([]);
    expect(Object.keys(words.glossary).filter((each) => !terms.includes(each))).toEqual([]);
  });

  it("uses no word of the field without explaining it somewhere", () => {
    const text = told(words).map(plainOf).join("\n");
    const terms = told(words).flatMap(termsOf);
    const used = Object.entries(JARGON[language]).filter(([, pattern]) => pattern.test(text)).map(([term]) => term);
    expect(used.filter((each) => !terms.includes(each))).toEqual([]);
    expect(used.length).toBeGreaterThan(15);
    expect(text.match(NEVER)).toBeNull();
  });

  it("has no figures of its own", () => {
    expect([...told(words), ...said(words.glossary)].filter((each) => /\d/.test(each))).toEqual([]);
  });
});

describe("the two languages", () => {
  it("mark the same terms and take the same figures in the same places", () => {
    const figures = (words: typeof en) => said({ ...words, glossary: {} }).map((each) => [termsOf(each).toSorted(), each.match(/[ΞΨΩΔ]/g)?.toSorted() ?? []]);
    expect(figures(es)).toEqual(figures(en));
    expect(Object.keys(es.glossary)).toEqual(Object.keys(en.glossary));
  });
});

describe("marked sentences", () => {
  it("come apart into text and terms", () => {
    expect(partsOf("A [[features|feature]] is [[sparse]].")).toEqual([
      { text: "A ", term: null },
      { text: "features", term: "feature" },
      { text: " is ", term: null },
      { text: "sparse", term: "sparse" },
      { text: ".", term: null },
    ]);
    expect(partsOf("")).toEqual([]);
    expect(plainOf("[[a|b]] c")).toBe("a c");
  });

  it("leave alone what is no mark", () => {
    for (const text of ["[a] [[ ]", "[[]]", "[[a|]]", "]]x[["]) expect(partsOf(text)).toEqual([{ text, term: null }]);
  });
});

const latent = (feature: number, parent: number | null, active: number): Latent => ({ feature, parent, active, label: `l${feature}` });

describe("a family", () => {
  it("stands next to its parents, the most active first", () => {
    const { nodes, links, left, tallest } = familyOf([[latent(1, null, 9)], [latent(2, 1, 5), latent(3, 1, 7)], [latent(4, 2, 8), latent(5, 3, 1)]]);
    expect(nodes.map(({ feature, y }) => [feature, y])).toEqual([[1, 50], [3, 25], [2, 75], [5, 25], [4, 75]]);
    expect(links.map(({ column, from, to }) => [column, from, to])).toEqual([[0, 50, 25], [0, 50, 75], [1, 25, 25], [1, 75, 75]]);
    expect([left, tallest]).toEqual([0, 2]);
  });

  it("may begin in any column, and says how many are not drawn", () => {
    const many = Array.from({ length: MOST_LATENTS + 3 }, (_, place) => latent(place, 7, place));
    const { nodes, left } = familyOf([[], [latent(7, null, 1)], many, [latent(99, 0, 50)]]);
    expect(nodes[0]).toMatchObject({ feature: 7, column: 1, y: 50 });
    expect(nodes).toHaveLength(MOST_LATENTS + 1);
    expect(left).toBe(4);
    expect(nameOf([[], [latent(7, null, 1)]])).toBe("l7");
    expect(nameOf([])).toBe("");
  });
});

describe("a neuron's texts", () => {
  const neuron = { neuron: 1, block: 2, n_tokens: 1, n_neurons: 8, rows: [{ tokens: ["a", "b", "\u202ec", "d", "e"], values: [0, 1, 5, -1, 0] }, { tokens: [], values: [] }] };

  it("are cut around the strongest token", () => {
    const examples = neuronExamples(neuron, 1);
    expect(examples).toEqual([{ kind: "top", position: 2, document: 0, start: 1, tokens: ["b", "\u202ec", "d"], activations: [1, 5, -1], peak: 5 }]);
    expect(peakWords([...examples, ...examples])).toEqual(["\ufffdc"]);
  });
});

describe("pictures", () => {
  it("have a row for the likeness, without what was not measured", () => {
    const metric = universalityMetric({ features: 0.8, neurons: null, random: 0.1, interval: [0.7, 0.9], n_features: 9, other: "o" }, "f", "m");
    expect(metric).toMatchObject({ value: 0.8, interval: [0.7, 0.9], baselines: { neurons: null, random: 0.1 }, unit: "fraction" });
  });

  it("light as many units as are on at once, each in its square", () => {
    const lit = litPlaces(16, 1000, 3);
    expect(new Set(lit.map(({ column, row }) => row * 32 + column)).size).toBe(16);
    expect(lit.every(({ column, row }) => column < 32 && row * 32 + column < 1000)).toBe(true);
    expect(lit).toEqual(litPlaces(16, 1000, 3));
    expect(lit).not.toEqual(litPlaces(16, 1000, 4));
    expect(litPlaces(5, 3, 0)).toHaveLength(3);
  });

  it("are as many as there are steps to go", () => {
    expect(STEPS.every((step) => en[step].title && en[step].note)).toBe(true);
  });
});
