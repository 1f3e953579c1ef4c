// What a reader sets up on the screen that steers: as it is shared, as the server reads it, and as code.

import type { Run, Steering, SteeringEdit, Verb } from "./api";
import { shellWord } from "./code";

export const VERBS: Verb[] = ["clamp", "active", "add", "ablate"];
export const SCOPES = ["all", "generated", "prompt", "first:8", "last:2", "4:10"];
/** Strengths that the slider reaches, in units. */
export const RANGE = { low: -3, high: 10, step: 0.1 };

export interface Edit {
  /** A feature, or a vector, or nothing yet. */
  feature: number | null;
  vector: string | null;
  verb: Verb;
  strength: number;
  scope: string;
  /** Only at tokens at which this feature is more active than so many times its largest activation. */
  when: { feature: number; above: number } | null;
}

/** One steered column: the edits that it is written with. */
export type Column = Edit[];

export interface Setup {
  prompt: string;
  columns: Column[];
  seed: number;
  temperature: number;
  tokens: number;
}

export const PROMPT = "Once upon a time";
export const MOST_COLUMNS = 2;
export const MOST_TOKENS = 200;

/** The clamp at which a feature is known to work; null where nobody measured it. */
export function kneeOf(run: Run | null, feature: number | null): number | null {
  return feature === null ? null : (run?.strengths?.[String(feature)] ?? null);
}

export function newEdit(run: Run | null, feature: number | null): Edit {
  return { feature, vector: null, verb: "clamp", strength: kneeOf(run, feature) ?? 1, scope: "all", when: null };
}

/** What a first visit finds: the feature of the address, or the run's own showcase, ready to be written with. */
export function firstSetup(run: Run | null, parameters: Record<string, string>): Setup {
  const shared = sharedSetup(parameters["s"]);
  if (shared) return shared;
  const asked = /^\d{1,9}$/.test(parameters["feature"] ?? "") ? Number(parameters["feature"]) : null;
  const feature = asked ?? run?.showcase?.feature ?? null;
  return { prompt: parameters["prompt"] || PROMPT, columns: [[newEdit(run, feature)]], seed: 0, temperature: 0.8, tokens: 60 };
}

/** A setup as it goes into an address. */
export const sharedText = (setup: Setup): string => JSON.stringify(setup);

const finite = (value: unknown, low: number, high: number): number | null =>
  typeof value === "number" && Number.isFinite(value) && value >= low && value <= high ? value : null;
const whole = (value: unknown, low: number, high: number): number | null => (Number.isInteger(value) ? finite(value, low, high) : null);
const MOST_NUMBER = 2 ** 31 - 1;

/** The setup of an address; null where it is none, so that nothing half-read is shown. */
export function sharedSetup(text: string | undefined): Setup | null {
  if (!text) return null;
  try {
    const { prompt, columns, seed, temperature, tokens } = JSON.parse(text) as Record<string, unknown>;
    if (typeof prompt !== "string" || !Array.isArray(columns) || !columns.length) return null;
    const read = columns.slice(0, MOST_COLUMNS).map((column) => (Array.isArray(column) ? column.map(sharedEdit) : [null]));
    if (read.some((column) => column.some((edit) => edit === null))) return null;
    return {
      prompt,
      columns: read as Column[],
      seed: whole(seed, 0, MOST_NUMBER) ?? 0,
      temperature: finite(temperature, 0, 5) ?? 0.8,
      tokens: whole(tokens, 1, MOST_TOKENS) ?? 60,
    };
  } catch {
    return null;
  }
}

function sharedEdit(told: unknown): Edit | null {
  if (typeof told !== "object" || told === null) return null;
  const { feature, vector, verb, strength, scope, when } = told as Record<string, unknown>;
  const known = VERBS.find((each) => each === verb);
  const size = finite(strength, -1e6, 1e6);
  if (!known || size === null || typeof scope !== "string") return null;
  return {
    feature: whole(feature, 0, MOST_NUMBER),
    vector: typeof vector === "string" ? vector : null,
    verb: known,
    strength: size,
    scope,
    when: sharedCondition(when),
  };
}

function sharedCondition(told: unknown): Edit["when"] {
  if (typeof told !== "object" || told === null) return null;
  const { feature, above } = told as Record<string, unknown>;
  const number = whole(feature, 0, MOST_NUMBER);
  return number === null ? null : { feature: number, above: finite(above, 0, 1e6) ?? 0 };
}

/** The edits that are about something, as the server reads them; null where nothing is edited. */
export function steeringOf(column: Column): Steering | null {
  const edits = column.flatMap((edit) => editOf(edit) ?? []);
  return edits.length ? { edits } : null;
}

function editOf({ feature, vector, verb, strength, scope, when }: Edit): SteeringEdit | null {
  if (feature === null && vector === null) return null;
  const made: SteeringEdit = vector === null ? { feature: feature as number } : { vector };
  made[vector === null ? verb : "add"] = vector === null && verb === "ablate" ? true : strength;
  if (scope !== "all") made.scope = scope;
  if (when && vector === null) made.when = when;
  return made;
}

/** A preset of the run, as a column to change; null where it says more than a column holds. */
export function columnOf(steering: unknown): Column | null {
  const told = typeof steering === "object" && steering !== null && "edits" in steering ? steering.edits : null;
  if (!Array.isArray(told) || !told.length) return null;
  const edits = told.map((each: unknown) => {
    const told = (typeof each === "object" && each !== null ? each : {}) as Record<string, unknown>;
    const verb = VERBS.find((each) => told[each] !== undefined);
    const strength = verb === "ablate" ? 1 : verb ? told[verb] : undefined;
    return verb ? sharedEdit({ scope: "all", when: null, vector: null, feature: null, ...told, verb, strength }) : null;
  });
  return edits.some((edit) => edit === null || (edit.feature === null && edit.vector === null)) ? null : (edits as Column);
}

/** The features that a column edits, each once. */
export const featuresOf = (column: Column): number[] => [...new Set(column.flatMap(({ feature }) => feature ?? []))];

export function pythonOf(run: Run, setup: Setup, column: Column): string {
  const text = (value: string) => JSON.stringify(value);
  const vectors = [...new Set(column.flatMap(({ vector }) => vector ?? []))];
  const rules = column.filter(({ feature, vector }) => feature !== null || vector !== null).map((edit) => `    ${ruleOf(edit)},`);
  return [
    "import monoscope as ms",
    "",
    `lm = ms.load_model(${text(run.model.name)})`,
    `sae = ms.load_dictionary(${text(`${run.name}/dictionary`)})`,
    ...vectors.map((name) => `# ${text(name)} is a ms.ControlVector of yours: vectors[${text(name)}]`),
    "rules = [",
    ...rules,
    "]",
    "with ms.steer(lm, sae, rules):",
    `    print(lm.generate(${text(setup.prompt)}, n_tokens=${setup.tokens}, temperature=${setup.temperature}, seed=${setup.seed}))`,
    "",
  ].join("\n");
}

function ruleOf({ feature, vector, verb, strength, scope, when }: Edit): string {
  const edits: Record<Verb, string> = {
    clamp: `ms.Clamp(${strength})`,
    active: `ms.Clamp(${strength}, where_active=True)`,
    add: `ms.Add(${strength})`,
    ablate: "ms.Ablate()",
  };
  const target = vector === null ? `features={${feature}: 1.0}` : `vector=vectors[${JSON.stringify(vector)}]`;
  const parts = [edits[vector === null ? verb : "add"], target];
  if (scope !== "all") parts.push(`scope=ms.Scope.parse(${JSON.stringify(scope)})`);
  if (when && vector === null) parts.push(`when=ms.When(${when.feature}, above=${when.above})`);
  return `ms.Rule(${parts.join(", ")})`;
}

export function curlOf(origin: string, run: Run, setup: Setup, column: Column): string {
  const question = {
    model: run.model.name,
    prompt: setup.prompt,
    max_tokens: setup.tokens,
    temperature: setup.temperature,
    seed: setup.seed,
    steering: steeringOf(column),
  };
  return [
    `curl ${origin}/v1/completions \\`,
    '  -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\',
    `  -d ${shellWord(JSON.stringify(question))}`,
    "",
  ].join("\n");
}
