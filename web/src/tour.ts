// What the tour's pictures are drawn from: families of features, a neuron's texts, and squares to scale.

import type { Example, Latent, Metric, NeuronRows, Universality } from "./api";
import { visible } from "./characters";
import { peakOf } from "./examples";
import { Generator } from "./superposition";

export const STEPS = ["toy", "pair", "bigger", "splitting", "universality", "bridge", "limits"] as const;
export type StepName = (typeof STEPS)[number];

export const SOURCES = [
  { by: "Scott Alexander, 2023", title: "God Help Us, Let's Try To Understand AI Monosemanticity", href: "https://www.astralcodexten.com/p/god-help-us-lets-try-to-understand" },
  { by: "Elhage et al., 2022", title: "Toy Models of Superposition", href: "https://transformer-circuits.pub/2022/toy_model/index.html" },
  { by: "Bricken et al., 2023", title: "Towards Monosemanticity: Decomposing Language Models With Dictionary Learning", href: "https://transformer-circuits.pub/2023/monosemantic-features/index.html" },
  { by: "Templeton et al., 2024", title: "Scaling Monosemanticity: Extracting Interpretable Features from Claude 3 Sonnet", href: "https://transformer-circuits.pub/2024/scaling-monosemanticity/index.html" },
  { by: "Cunningham et al., 2023", title: "Sparse Autoencoders Find Highly Interpretable Features in Language Models", href: "https://arxiv.org/abs/2309.08600" },
  { by: "Gao et al., 2024", title: "Scaling and evaluating sparse autoencoders", href: "https://arxiv.org/abs/2406.04093" },
  { by: "Zou et al., 2023", title: "Representation Engineering: A Top-Down Approach to AI Transparency", href: "https://arxiv.org/abs/2310.01405" },
];

/** Most latents of one column that are drawn. */
export const MOST_LATENTS = 8;

export interface Node extends Latent {
  column: number;
  /** Where its middle is, in percent of the picture's height. */
  y: number;
}

export interface Family {
  nodes: Node[];
  /** Of each, the columns and heights of its two ends. */
  links: { column: number; from: number; to: number; key: string }[];
  /** Latents of the fullest column that are drawn. */
  tallest: number;
  /** Latents that are not drawn. */
  left: number;
}

/** A family as it is drawn: in each column the most active whose parents are drawn, next to their parents. */
export function familyOf(tree: Latent[][]): Family {
  const columns: Latent[][] = [];
  for (const latents of tree) {
    const before = columns.at(-1);
    const order = (latent: Latent) => before?.findIndex((each) => each.feature === latent.parent) ?? -1;
    const shown = latents.filter((each) => each.parent === null || order(each) >= 0);
    const most = shown.toSorted((one, other) => other.active - one.active).slice(0, MOST_LATENTS);
    columns.push(most.sort((one, other) => order(one) - order(other) || other.active - one.active));
  }
  const nodes = columns.flatMap((latents, column) => latents.map((each, place) => ({ ...each, column, y: (100 * (place + 0.5)) / latents.length })));
  const links = nodes.flatMap((node) => {
    const parent = nodes.find((each) => each.column === node.column - 1 && each.feature === node.parent);
    return parent ? [{ column: parent.column, from: parent.y, to: node.y, key: `${node.column} ${node.feature}` }] : [];
  });
  const all = tree.reduce((sum, each) => sum + each.length, 0);
  return { nodes, links, tallest: Math.max(1, ...columns.map((each) => each.length)), left: all - nodes.length };
}

/** What a family is called: the label of its first latent. */
export const nameOf = (tree: Latent[][]): string => tree.flat()[0]?.label ?? "";

/** A neuron's texts as examples, cut to so many tokens on each side of the strongest one. */
export function neuronExamples({ rows }: NeuronRows, around: number): Example[] {
  return rows.filter(({ tokens }) => tokens.length).map(({ tokens, values }) => {
    const peak = Math.max(...values);
    const position = Math.max(0, values.indexOf(peak));
    const start = Math.max(0, position - around);
    const end = position + around + 1;
    return { kind: "top", position, document: 0, start, tokens: tokens.slice(start, end), activations: values.slice(start, end), peak };
  });
}

/** The words at which examples are strongest, each once, as they can be shown. */
export function peakWords(examples: Example[]): string[] {
  return [...new Set(examples.map((each) => visible(each.tokens[peakOf(each)] ?? "").trim()).filter(Boolean))];
}

export function universalityMetric({ features, interval, neurons, random }: Universality, formula: string, misleads: string): Metric {
  return { name: "universality", value: features, interval, unit: "fraction", formula, misleads, baselines: { neurons, random } };
}

/** Places of a few lit units among many in a square, drawn by lot but the same for the same seed. */
export function litPlaces(few: number, many: number, seed: number): { column: number; row: number }[] {
  const [generator, side] = [new Generator(seed), Math.ceil(Math.sqrt(many))];
  const found = new Set<number>();
  while (found.size < Math.min(few, many)) found.add(Math.floor(generator.next() * many));
  return [...found].map((place) => ({ column: place % side, row: Math.floor(place / side) }));
}
