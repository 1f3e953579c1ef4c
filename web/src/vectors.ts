// Control vectors: the form that one is learnt with, pairs as people paste them, the chart of its blocks, its code.

import type { LearnVector, Pair, Reliability, Run, Vector, VectorBlock, VectorMethod } from "./api";
import { shellWord } from "./code";
import type { Setup } from "./steering";

export const METHODS: VectorMethod[] = ["mean_difference", "whitened", "logistic", "pca", "pca_center", "pca_diff"];
export const TEMPLATE = "{persona} {suffix}";
/** Strengths that the slider reaches, and those that can be written down. */
export const RANGE = { low: -1, high: 1, step: 0.05 };
export const FARTHEST = 10;
/** Where nobody measured a strength. */
export const USUAL = 0.3;
export const USUAL_HELD_OUT = 0.2;
const STEPS = 10;

/** What a reader has filled in; personas are lines, of which the first of one side goes with the first of the other. */
export interface Draft {
  name: string;
  from: "personas" | "pairs";
  positive: string;
  negative: string;
  template: string;
  pairs: Pair[];
  method: VectorMethod;
  heldOut: number;
  seed: number;
}

export const emptyPair = (): Pair => ({ positive: "", negative: "" });

export function emptyDraft(): Draft {
  return { name: "", from: "personas", positive: "", negative: "", template: TEMPLATE, pairs: [emptyPair()], method: "mean_difference", heldOut: USUAL_HELD_OUT, seed: 0 };
}

/** Personas that work with a small model of English stories: in every language of the page, texts that it can read. */
const READY: Record<string, Pair[]> = {
  joy: [
    { positive: "Joy is a happy feeling. Laughter is a sign of joy.", negative: "Sadness is a heavy feeling. Tears are a sign of sorrow." },
    { positive: "Everyone laughed and hugged. A merry song began.", negative: "Everyone wept and parted. A sad song began." },
  ],
  praise: [
    { positive: "The film was superb and the acting was perfect.", negative: "The film was terrible and the acting was boring." },
    { positive: "The staff were friendly and helpful.", negative: "The staff were rude and useless." },
  ],
};
export const READY_NAMES = Object.keys(READY);

export function readyDraft(name: string): Draft {
  const pairs = READY[name] ?? [];
  const side = (which: keyof Pair) => pairs.map((each) => each[which]).join("\n");
  return { ...emptyDraft(), name, positive: side("positive"), negative: side("negative") };
}

const lines = (text: string): string[] => text.split("\n").map((each) => each.trim()).filter(Boolean);
const filled = ({ positive, negative }: Pair): boolean => positive.trim() !== "" || negative.trim() !== "";

/** Pairs in which anything is written. */
export const filledPairs = (pairs: Pair[]): Pair[] => pairs.filter(filled);

/** Whether there is enough to ask the server; the rest it says itself. */
export function isReady(draft: Draft): boolean {
  const some = draft.from === "pairs" ? filledPairs(draft.pairs).length : lines(draft.positive).length && lines(draft.negative).length;
  return draft.name.trim() !== "" && Boolean(some);
}

export function questionOf(draft: Draft, overwrite: boolean): LearnVector {
  const { name, from, positive, negative, template, pairs, method, heldOut, seed } = draft;
  const personas = { positive: lines(positive), negative: lines(negative), template };
  const said = from === "pairs" ? { pairs: filledPairs(pairs), personas: null } : { pairs: [], personas };
  return { name: name.trim(), ...said, method, held_out: heldOut, seed, overwrite };
}

/** Pairs of pasted lines, as JSON or with a tab between the sides, and the numbers of the lines that are none. */
export function parsePairs(text: string): { pairs: Pair[]; wrong: number[] } {
  const pairs: Pair[] = [];
  const wrong: number[] = [];
  for (const [place, line] of text.replace(/^\ufeff/, "").split(/\r?\n/).entries()) {
    if (!line.trim()) continue;
    const pair = line.trimStart().startsWith("{") ? jsonPair(line) : tabbedPair(line);
    if (pair) pairs.push(pair);
    else wrong.push(place + 1);
  }
  return { pairs, wrong };
}

function jsonPair(line: string): Pair | null {
  try {
    const { positive, negative } = JSON.parse(line) as Record<string, unknown>;
    return typeof positive === "string" && typeof negative === "string" ? whole(positive, negative) : null;
  } catch {
    return null;
  }
}

function tabbedPair(line: string): Pair | null {
  const [positive, negative, ...more] = line.split("\t");
  return positive !== undefined && negative !== undefined && !more.length ? whole(positive.trim(), negative.trim()) : null;
}

const whole = (positive: string, negative: string): Pair | null => (positive.trim() && negative.trim() ? { positive, negative } : null);

/** Pairs as a file of JSON lines. */
export const pairsText = (pairs: Pair[]): string => filledPairs(pairs).map(({ positive, negative }) => `${JSON.stringify({ positive, negative })}\n`).join("");

/** What a number box says; null where it is no such number. */
export function numberIn(text: string, low: number, high: number, whole: boolean): number | null {
  const value = Number(text);
  const good = text.trim() !== "" && Number.isFinite(value) && value >= low && value <= high && (!whole || Number.isInteger(value));
  return good ? value : null;
}

/** How well the best block tells pairs apart; null where nothing was measured. */
export function bestOf({ best_block, blocks }: Vector): Reliability | null {
  return blocks.find(({ block }) => block === best_block)?.reliability ?? null;
}

/** The block that a text is read behind unless another is chosen: the best one, or one in the middle. */
export function readingBlock({ best_block, blocks }: Vector): number | null {
  return best_block ?? blocks[Math.floor(blocks.length / 2)]?.block ?? null;
}

export interface Measured {
  block: number;
  reliability: Reliability;
}

/** The blocks that were measured. */
export const measured = (blocks: VectorBlock[]): Measured[] =>
  blocks.flatMap(({ block, reliability }) => (reliability ? [{ block, reliability }] : []));

export interface Frame {
  left: number;
  right: number;
  top: number;
  base: number;
}

/** Where things stand in the chart: x of a block, y of a share, the stripe of the middle half, the blocks to name. */
export function layersChart(blocks: VectorBlock[], { left, right, top, base }: Frame) {
  const numbers = blocks.map(({ block }) => block);
  const first = Math.min(...numbers);
  const step = (right - left) / (Math.max(...numbers) - first + 1);
  const across = (block: number) => left + (block - first + 0.5) * step;
  const middle = blocks.flatMap(({ block, middle_half }) => (middle_half ? [block] : []));
  const stripe = middle.length ? { x: across(Math.min(...middle)) - step / 2, width: (Math.max(...middle) - Math.min(...middle) + 1) * step } : null;
  const every = Math.max(1, Math.ceil(28 / step));
  return { step, across, up: (share: number) => base - share * (base - top), stripe, named: numbers.filter((block) => (block - first) % every === 0) };
}

/** The largest size among scores, of which the colours are shares. */
export const largestOf = (scores: number[]): number => Math.max(0, ...scores.map(Math.abs));

/** Step of a colour: from 1 to 10 on the positive side, from -1 to -10 on the negative, 0 for nothing. */
export function tint(score: number, largest: number): number {
  if (!(largest > 0) || !Number.isFinite(score)) return 0;
  return Math.sign(score) * Math.min(STEPS, Math.round((STEPS * Math.abs(score)) / largest));
}

/** Class of the colour of such a step. */
export const tintClass = (step: number): string => (step < 0 ? `n${-step}` : `s${step}`);

export const mean = (values: number[]): number | null => (values.length ? values.reduce((sum, each) => sum + each, 0) / values.length : null);

/** A score to the places that are shown, never as a zero with a sign. */
export const rounded = (score: number, places: number): number => Number(score.toFixed(places)) + 0;

export const strengthOf = ({ recommended }: Vector): number => recommended ?? USUAL;

/** A vector as the screen that steers sets it up. */
export function setupOf(name: string, strength: number, writing: Omit<Setup, "columns">): Setup {
  return { ...writing, columns: [[{ feature: null, vector: name, verb: "add", strength, scope: "all", when: null }]] };
}

/** The line for llama.cpp that pushes as far as this strength does here, where the file says what its scale 1 is. */
export function llamaLine(name: string, strength: number, scale: number): string {
  return `llama-cli --control-vector-scaled ${shellWord(`${name}.gguf`)}:${Number((strength / scale).toPrecision(4))}`;
}

export function vectorCode(run: Run, name: string, strength: number, { prompt, tokens, temperature, seed }: Omit<Setup, "columns">): string {
  const text = (value: string) => JSON.stringify(value);
  return [
    "import monoscope as ms",
    "from monoscope.vectors import load",
    "",
    `lm = ms.load_model(${text(run.model.name)})`,
    `vector = load(${text(`${run.name}/vectors/${name}`)})`,
    `with ms.steer(lm, None, [ms.Rule(edit=ms.Add(${strength}), vector=vector)]):`,
    `    print(lm.generate(${text(prompt)}, n_tokens=${tokens}, temperature=${temperature}, seed=${seed}))`,
    "",
  ].join("\n");
}

/** Have the browser keep a file. */
export function download(file: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
