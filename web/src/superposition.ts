// A model so small that it is trained while one looks on: more ideas than neurons, as in Elhage et al. 2022, "Toy Models
// of Superposition". Each idea x_i is 0, or with some probability between 0 and 1; h = W x; it is told again as
// ReLU(Wᵀ h + b), and the loss is the mean of (x_i - x̂_i)².

export interface Setting {
  ideas: number;
  neurons: number;
  /** How often each idea appears: a probability. */
  often: number;
  seed: number;
  /** Steps of Adam in all. */
  steps: number;
  /** Examples in one step. */
  batch: number;
}

/** From which length on a column counts as kept. */
export const KEPT = 0.5;
const [FASTEST, SLOWEST] = [0.01, 0.0005];
const [FIRST_MOMENT, SECOND_MOMENT, EPSILON] = [0.9, 0.999, 1e-8];

/** Numbers from 0 to 1, the same ones from the same seed (mulberry32). */
export class Generator {
  // In an array, so that no number is made anew at each draw.
  private readonly state = new Int32Array(1);

  constructor(seed: number) {
    this.state[0] = seed;
  }

  next(): number {
    const now = (this.state[0]! + 0x6d2b79f5) | 0;
    this.state[0] = now;
    let mixed = Math.imul(now ^ (now >>> 15), 1 | now);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}

function checked(setting: Setting): Setting {
  const whole = (value: number, least: number) => Number.isInteger(value) && value >= least;
  if (!(setting.often > 0 && setting.often <= 1)) throw new RangeError(`an idea appears with a probability above 0 and up to 1, not ${setting.often}`);
  if (!whole(setting.ideas, 1) || !whole(setting.neurons, 1)) throw new RangeError("there are as many ideas and neurons as a whole number above 0 says");
  if (!whole(setting.steps, 1) || !whole(setting.batch, 1)) throw new RangeError("steps and batch are whole numbers above 0");
  return setting;
}

/** The model while it learns. Arrays are made once; no step makes another. */
export class Toy {
  readonly setting: Setting;
  /** Column after column: the direction of each idea in the neurons. */
  readonly weights: Float64Array;
  readonly biases: Float64Array;
  readonly weightGradient: Float64Array;
  readonly biasGradient: Float64Array;
  /** The examples of this step, one after another. */
  readonly inputs: Float64Array;
  /** The loss of each step. */
  readonly losses: Float64Array;
  step = 0;
  private readonly random: Generator;
  private readonly moments: Float64Array[];
  /** The values of the neurons for one example, and how the loss changes with them. */
  private readonly hidden: Float64Array;
  private readonly backward: Float64Array;

  constructor(setting: Setting) {
    const { ideas, neurons, batch, seed, steps } = (this.setting = checked(setting));
    this.random = new Generator(seed);
    this.weights = new Float64Array(ideas * neurons).map(() => this.normal() * Math.sqrt(2 / (ideas + neurons)));
    this.biases = new Float64Array(ideas);
    this.weightGradient = new Float64Array(ideas * neurons);
    this.biasGradient = new Float64Array(ideas);
    this.moments = [this.weights, this.weights, this.biases, this.biases].map((each) => new Float64Array(each.length));
    this.inputs = new Float64Array(batch * ideas);
    this.losses = new Float64Array(steps);
    this.hidden = new Float64Array(neurons);
    this.backward = new Float64Array(neurons);
  }

  get done(): boolean {
    return this.step >= this.setting.steps;
  }

  /** One step: new examples, their loss and its gradient, and a move downhill. */
  learn(): void {
    if (this.done) return;
    this.draw();
    this.losses[this.step] = this.measure();
    this.move();
  }

  private normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.random.next())) * Math.cos(2 * Math.PI * this.random.next());
  }

  /** New examples. */
  draw(): void {
    const { inputs, random } = this;
    const { often } = this.setting;
    for (let at = 0; at < inputs.length; at += 1) inputs[at] = random.next() < often ? random.next() : 0;
  }

  /** The loss on the examples; its gradient is left in `weightGradient` and `biasGradient`. */
  measure(): number {
    const { ideas, neurons } = this.setting;
    this.weightGradient.fill(0);
    this.biasGradient.fill(0);
    let sum = 0;
    for (let start = 0; start < this.inputs.length; start += ideas) {
      this.meet(start, ideas, neurons);
      sum += this.tell(start, ideas, neurons);
      this.blame(start, ideas, neurons);
    }
    return sum / this.inputs.length;
  }

  /** What the neurons make of one example; an idea that is absent costs nothing. */
  private meet(start: number, ideas: number, neurons: number): void {
    const { inputs, weights, hidden } = this;
    for (let unit = 0; unit < neurons; unit += 1) hidden[unit] = 0;
    for (let idea = 0; idea < ideas; idea += 1) {
      const given = inputs[start + idea]!;
      if (given === 0) continue;
      const at = idea * neurons;
      for (let unit = 0; unit < neurons; unit += 1) hidden[unit] = hidden[unit]! + weights[at + unit]! * given;
    }
  }

  /** The squared error of what is told of one example, and the gradient of telling. */
  private tell(start: number, ideas: number, neurons: number): number {
    const { inputs, weights, biases, weightGradient, biasGradient, hidden, backward } = this;
    const twice = 2 / inputs.length;
    for (let unit = 0; unit < neurons; unit += 1) backward[unit] = 0;
    let sum = 0;
    for (let idea = 0; idea < ideas; idea += 1) {
      const at = idea * neurons;
      const given = inputs[start + idea]!;
      let told = biases[idea]!;
      for (let unit = 0; unit < neurons; unit += 1) told += weights[at + unit]! * hidden[unit]!;
      if (told <= 0) {
        sum += given * given;
        continue;
      }
      const slope = twice * (told - given);
      sum += (told - given) * (told - given);
      biasGradient[idea] = biasGradient[idea]! + slope;
      for (let unit = 0; unit < neurons; unit += 1) {
        weightGradient[at + unit] = weightGradient[at + unit]! + slope * hidden[unit]!;
        backward[unit] = backward[unit]! + slope * weights[at + unit]!;
      }
    }
    return sum;
  }

  /** The gradient of what the neurons made of one example. */
  private blame(start: number, ideas: number, neurons: number): void {
    const { inputs, weightGradient, backward } = this;
    for (let idea = 0; idea < ideas; idea += 1) {
      const given = inputs[start + idea]!;
      if (given === 0) continue;
      const at = idea * neurons;
      for (let unit = 0; unit < neurons; unit += 1) weightGradient[at + unit] = weightGradient[at + unit]! + given * backward[unit]!;
    }
  }

  /** A step of Adam; it gets smaller from first to last, along a cosine. */
  private move(): void {
    const rate = SLOWEST + (FASTEST - SLOWEST) * 0.5 * (1 + Math.cos((Math.PI * this.step) / this.setting.steps));
    this.step += 1;
    const [first, second, third, fourth] = this.moments as [Float64Array, Float64Array, Float64Array, Float64Array];
    adam(this.weights, this.weightGradient, first, second, rate, this.step);
    adam(this.biases, this.biasGradient, third, fourth, rate, this.step);
  }
}

function adam(values: Float64Array, gradient: Float64Array, mean: Float64Array, square: Float64Array, rate: number, step: number): void {
  const [one, two] = [1 - FIRST_MOMENT ** step, 1 - SECOND_MOMENT ** step];
  for (let at = 0; at < values.length; at += 1) {
    const slope = gradient[at]!;
    mean[at] = FIRST_MOMENT * mean[at]! + (1 - FIRST_MOMENT) * slope;
    square[at] = SECOND_MOMENT * square[at]! + (1 - SECOND_MOMENT) * slope * slope;
    values[at]! -= (rate * (mean[at]! / one)) / (Math.sqrt(square[at]! / two) + EPSILON);
  }
}

/** The direction of each idea, one after another. */
export function columnsOf({ weights, setting }: Toy): number[][] {
  return Array.from({ length: setting.ideas }, (_, idea) => Array.from(weights.subarray(idea * setting.neurons, (idea + 1) * setting.neurons)));
}

const dot = (one: number[], other: number[]): number => one.reduce((sum, each, at) => sum + each * (other[at] ?? 0), 0);

export const lengthOf = (column: number[]): number => Math.sqrt(dot(column, column));

/** How much of an idea comes back as another: WᵀW, row by row. */
export const overlapsOf = (columns: number[][]): number[][] => columns.map((one) => columns.map((other) => dot(one, other)));

/** Share of a dimension that each idea has for itself: |W_i|² / Σ_j (Ŵ_i · W_j)². */
export function sharesOf(columns: number[][]): number[] {
  return columns.map((one) => {
    const size = dot(one, one);
    const crowd = columns.reduce((sum, other) => sum + dot(one, other) ** 2, 0);
    return crowd > 0 ? (size * size) / crowd : 0;
  });
}

/** Places of the ideas that are kept. */
export const keptOf = (columns: number[][]): number[] => columns.flatMap((each, place) => (lengthOf(each) > KEPT ? [place] : []));

/** Angles between neighbours of the kept ideas, in degrees, around the plane; empty where there are none. */
export function gapsOf(columns: number[][]): number[] {
  const angles = keptOf(columns)
    .map((place) => (Math.atan2(columns[place]?.[1] ?? 0, columns[place]?.[0] ?? 0) * 180) / Math.PI)
    .sort((one, other) => one - other);
  if (angles.length < 2) return [];
  return angles.map((angle, place) => (place + 1 < angles.length ? (angles[place + 1] ?? 0) - angle : (angles[0] ?? 0) + 360 - angle));
}

/** How many times over the ideas together fill the neurons, |W|² / m: about 1 where nothing is shared. */
export function fillingOf(columns: number[][]): number {
  return columns.reduce((sum, each) => sum + dot(each, each), 0) / Math.max(1, columns[0]?.length ?? 1);
}

/** The two toys that are shown; more steps or more examples for the one that needs them. */
export const TOYS = [
  { ideas: 5, neurons: 2, steps: 3000, batch: 256 },
  { ideas: 20, neurons: 5, steps: 12_000, batch: 128 },
] as const;
/** How often ideas appear, as the slider has it. */
export const OFTEN = [0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1];

/** Losses so far in that many means at most, to draw as a curve. */
export function curveOf(losses: Float64Array, step: number, points: number): number[] {
  const each = Math.max(1, Math.ceil(losses.length / points));
  return Array.from({ length: Math.ceil(step / each) }, (_, place) => {
    const part = losses.subarray(place * each, Math.min(step, (place + 1) * each));
    return part.reduce((sum, loss) => sum + loss, 0) / part.length;
  });
}

/** The middle one of some numbers. */
export function medianOf(values: number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? (sorted[middle] ?? NaN) : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}
