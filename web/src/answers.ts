// What the server answers and what it is asked: names for the types that are made from its own description.

import type { components } from "./openapi";

type Served = components["schemas"];

export type Run = Served["RunFacts"];
export type Stage = Served["StageFacts"];
export type Interval = [number, number];
export type Baseline = "neurons" | "pca" | "ica" | "random";
export type Metric = Served["MetricRow"];
export type Recovery = Served["Recovery"];
export type Evaluation = Served["ReportCard"];
export type TrainingPoint = Served["Point"];
export type Training = Served["Training"];
export type FormingText = Served["FormingText"];
export type Snapshot = Served["Snapshot"];
export type Forming = Served["Forming"];

export type FeatureRow = Served["Row"];
export type FeatureRows = Served["Rows"];
export type FeatureRecord = Served["Card"];
export type Example = Served["Example"];
export type Effect = Served["ExampleEffect"];
export type Kin = Served["Kin"];
export type Relatives = Served["Relatives"];
export type SearchBy = "words" | "fires" | "promotes" | "description";

export interface FeatureQuery {
  q: string;
  by: SearchBy;
  where: string;
  /** A column, with "-" in front for the largest first. */
  sort: string;
}

export type Lens = Served["Lens"];
export type LensFeature = Served["LensFeature"];
export type Attribution = Served["AttributionAnswer"];
export type Vote = Served["Attributed"];

export type Verb = "clamp" | "active" | "add" | "ablate";

/** One edit as the server reads it: a target, one verb, and where and when it acts. */
export type SteeringEdit = { feature?: number; vector?: string; scope?: string; when?: { feature: number; above: number } } & {
  [verb in Verb]?: number | boolean;
};

/** The part of what the server understands that the page writes. */
export interface Steering {
  edits: SteeringEdit[];
}

export type Reread = Served["RereadAnswer"];
export type RereadQuestion = Omit<Served["RereadBody"], "steering"> & { steering: Steering | null };
export type WriteQuestion = Required<Pick<Served["CompletionBody"], "model" | "max_tokens" | "temperature" | "seed">> & { prompt: string; steering: Steering | null };

export type Vector = Served["VectorTold"];
export type VectorBlock = Served["BlockTold"];
export type Vectors = Served["VectorList"];
export type VectorDetails = Served["VectorDetails"];
export type VectorReading = Served["ReadAnswer"];
export type VectorFormat = "gguf" | "npz";
export type Reliability = Served["Reliability"];
export type MadeOf = Served["MadeOf"];
export type Pair = Served["PairTold"];
export type Personas = Served["Personas"];
export type LearnVector = Served["LearnBody"];
export type VectorMethod = LearnVector["method"];

export type Tour = Served["Tour"];
export type Latent = Served["Node"];
export type Splitting = Served["SplittingShown"];
export type Universality = Served["UniversalityShown"];
export type NeuronRows = Served["NeuronShown"];
