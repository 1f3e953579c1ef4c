// What the server answers and what it is asked, as the page knows it: every type of the API is in this file.

export interface Stage {
  name: string;
  seconds: number | null;
  done: boolean;
}

export interface Run {
  name: string;
  address: string;
  /** "complete" or "running". */
  status: string;
  site: string;
  model: { name: string; hash: string };
  dictionary: { n_features: number; sparsifier: string; k?: number | null; d_model: number } | null;
  corpus: string;
  n_tokens: number;
  seed: number;
  stages: Stage[];
  has: { index: boolean; labels: boolean; evaluation: boolean; model: boolean; glimpse: boolean };
  showcase: { feature: number; topic: string } | null;
  presets: { name: string; steering: unknown }[];
  /** Feature -> the clamp that its calibration recommended, a multiple of its largest activation. */
  strengths: Record<string, number>;
  /** Names of the run's control vectors. */
  vectors: string[];
}

export type Interval = [number, number];

export type Baseline = "neurons" | "pca" | "ica" | "random";

export interface Metric {
  name: string;
  value: number | null;
  interval: Interval | null;
  unit: string;
  formula: string;
  misleads: string;
  baselines: Partial<Record<Baseline, number | null>>;
}

export interface Recovery {
  share_recovered: number;
  share_neurons: number | null;
  share_pca: number | null;
  share_random: number | null;
  n_concepts: number;
  intervals: Record<string, Interval | null>;
}

export interface Evaluation {
  rows: Metric[];
  recovery: Recovery | null;
}

export interface TrainingPoint {
  tokens: number;
  fvu?: number | null;
  l0?: number | null;
  dead_share?: number | null;
  loss?: number | null;
}

export interface Training {
  points: TrainingPoint[];
  running: boolean;
}

/** A text on which a feature fires. */
export interface FormingText {
  tokens: string[];
  activations: number[];
  /** Place of the strongest token among them. */
  peak: number;
}

/** The feature as the dictionary was after so many tokens. */
export interface Snapshot {
  tokens: number;
  /** Tokens of the sample that it fires on, of those looked at. */
  active: number;
  looked_at: number;
  fvu: number | null;
  texts: FormingText[];
}

/** One and the same feature at each checkpoint, oldest first; none before the first. */
export interface Forming {
  feature: number | null;
  snapshots: Snapshot[];
}

export interface FeatureRow {
  feature: number;
  description: string;
  density: number;
  n_active: number;
  max_activation: number;
  mean_activation: number;
  score?: number | null;
  why?: string | null;
}

export interface FeatureRows {
  total: number;
  /** Whether a search found more than are ranked. */
  more: boolean;
  /** The query, its last word completed where the corpus hardly knows it. */
  searched: string;
  rows: FeatureRow[];
}

export interface Example {
  kind: string;
  position: number;
  document: number;
  start: number;
  tokens: string[];
  activations: number[];
  peak: number;
}

export interface Effect {
  position: number;
  loss: (number | null)[];
  next: number | null;
  promoted: [string, number][];
  suppressed: [string, number][];
}

/** A feature of a dictionary of some width that belongs together with another. */
export interface Kin {
  feature: number;
  label: string;
  /** How much it fires along with the one that it came from; null where it came from none. */
  similarity: number | null;
}

/** The kin of one width; of the dictionary's own, those that came from the same. */
export interface Relatives {
  width: number;
  own: boolean;
  features: Kin[];
}

export interface FeatureRecord {
  feature: number;
  address: string;
  description: string;
  density: number;
  n_active: number;
  max_activation: number;
  mean_activation: number;
  /** Edges are log10 of activations, one more than there are counts; both empty for a feature that never fired. */
  histogram: { edges: number[]; counts: number[] };
  examples: Example[];
  tokens: { token: number; text: string; count: number; share: number; lift: number }[];
  promoted: { token: number; text: string; weight: number }[];
  suppressed: { token: number; text: string; weight: number }[];
  neighbours: { feature: number; cosine: number }[];
  coactive: { feature: number; correlation: number; share: number }[];
  descriptions?: { method: string; text: string; kind?: string; scores: Record<string, number | null> }[];
  patterns?: { text: string; matches: number | null; active: number | null }[];
  effects?: Effect[];
  /** From the narrowest dictionary to the widest; empty where no widths were compared, or nothing is akin. */
  lineage: Relatives[];
  n_features: number;
  /** The features before and after it that fire. */
  previous: number | null;
  next: number | null;
}

export type SearchBy = "words" | "fires" | "promotes" | "description";

export interface FeatureQuery {
  q: string;
  by: SearchBy;
  where: string;
  /** A column, with "-" in front for the largest first. */
  sort: string;
}

export interface LensFeature {
  feature: number;
  description?: string | null;
  max_activation: number;
  /** One for each token. */
  activations: number[];
}

export interface Lens {
  tokens: string[];
  features: LensFeature[];
}

export interface Vote {
  feature: number;
  description?: string | null;
  /** The logits, token over rival, that the formula credits this feature with. */
  attribution: number;
  /** How much the same difference really falls when the feature is switched off. */
  ablation: number;
}

export interface Attribution {
  token: string;
  probability: number;
  against: string;
  against_probability: number;
  difference: number;
  rest: number;
  features: Vote[];
}

export type Verb = "clamp" | "active" | "add" | "ablate";

/** One edit as the server reads it: a target, one verb, and where and when it acts. */
export type SteeringEdit = { feature?: number; vector?: string; scope?: string; when?: { feature: number; above: number } } & {
  [verb in Verb]?: number | boolean;
};

export interface Steering {
  edits: SteeringEdit[];
}

export interface RereadQuestion {
  prompt: string;
  text: string;
  features: number[];
  steering: Steering | null;
}

export interface Reread {
  /** Of prompt and text, the special first one included. */
  tokens: string[];
  /** Where the text begins among them. */
  start: number;
  /** Of each feature, one for each token. */
  activations: number[][];
  /** Nats by which steering moved the prediction, one for each written token. */
  divergence: number[];
}

export interface WriteQuestion {
  model: string;
  prompt: string;
  max_tokens: number;
  temperature: number;
  seed: number;
  steering: Steering | null;
}

export type VectorMethod = "mean_difference" | "whitened" | "logistic" | "pca" | "pca_center" | "pca_diff";

export type VectorFormat = "gguf" | "npz";

export interface Pair {
  positive: string;
  negative: string;
}

/** How well a direction tells pairs apart that it was not learnt from. */
export interface Reliability {
  /** Share of the held-out pairs whose positive side projects higher, with its 95 % interval. */
  accuracy: number;
  low: number;
  high: number;
  /** The same share for random directions. */
  random: number;
  /** Mean difference of a pair along the direction, in the vector's unit. */
  difference: number;
  explained: number;
  n_pairs: number;
  n_groups: number;
}

export interface VectorBlock {
  block: number;
  length: number;
  norm: number | null;
  middle_half: boolean;
  reliability: Reliability | null;
}

export interface Vector {
  name: string;
  hash: string;
  method: string;
  /** "mean residual norm" or "activation". */
  unit: string;
  recommended: number | null;
  n_pairs: number | null;
  held_out: number | null;
  seed: number | null;
  best_block: number | null;
  blocks: VectorBlock[];
}

export interface Vectors {
  vectors: Vector[];
}

export interface MadeOf {
  block: number;
  /** Share of the direction's squared length that the features explain together; of a random direction, the chance. */
  explained: number;
  chance: number;
  parts: { feature: number; description: string | null; cosine: number; coefficient: number; explained: number }[];
}

export interface VectorDetails extends Vector {
  /** What it was learnt from; null where that is not known. */
  pairs: Pair[] | null;
  made_of: MadeOf | null;
}

export interface Personas {
  positive: string[];
  negative: string[];
  template: string;
}

/** Learnt from pairs, or from personas that are put before beginnings of stories. */
export interface LearnVector {
  name: string;
  pairs: Pair[];
  personas: Personas | null;
  method: VectorMethod;
  held_out: number;
  seed: number;
  overwrite: boolean;
}

export interface VectorReading {
  block: number;
  tokens: string[];
  /** Above 0 on the positive side, in the vector's unit. */
  scores: number[];
}

/** A latent of one dictionary in a family of features. */
export interface Latent {
  feature: number;
  /** The latent of the dictionary before it that it comes from. */
  parent: number | null;
  /** Tokens on which it is active. */
  active: number;
  label: string;
}

export interface Splitting {
  /** Features of each dictionary, from narrow to wide. */
  widths: number[];
  /** Place of the run's own dictionary among them. */
  own: number;
  /** Families: of each, a column for each width. */
  trees: Latent[][][];
  steps: { from_width: number; to_width: number; links_per_feature: number; chance_links: number; split_share: number | null; new_share: number | null }[];
}

/** Medians of the correlation with the best match in another dictionary. */
export interface Universality {
  features: number;
  neurons: number | null;
  random: number;
  /** Of the features' median, 95 %. */
  interval: Interval | null;
  n_features: number;
  other: string;
}

export interface NeuronRows {
  neuron: number;
  block: number | null;
  n_tokens: number;
  n_neurons: number | null;
  rows: { tokens: string[]; values: number[] }[];
}

/** What the run has for the tour; null is what it has not. */
export interface Tour {
  /** A clear feature of this run: its showcase's. */
  feature: number | null;
  neuron: NeuronRows | null;
  splitting: Splitting | null;
  universality: Universality | null;
  showcase: { feature: number; topic: string; strength: number; prompt: string; default: string; steered: string } | null;
}
