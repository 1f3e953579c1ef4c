// Numbers as people of a language read them.

export const MISSING = "–";
const NARROW = "\u00a0";

const known = (value: number | null | undefined): value is number => typeof value === "number" && Number.isFinite(value);

export interface Numbers {
  /** To three significant digits: `0.0312`, `4,096`. */
  written(value: number | null | undefined): string;
  /** A whole number: `20,154`. */
  whole(value: number | null | undefined): string;
  /** A share: `41 %`, `0.52 %`. */
  percent(share: number | null | undefined): string;
  /** To that many places. */
  places(value: number | null | undefined, digits: number): string;
  /** A large number in words: `1.5 million`. */
  compact(value: number | null | undefined): string;
  /** `41 s`, `4 min 20 s`, `2 h 05 min`. */
  duration(seconds: number | null | undefined): string;
}

export function numbersOf(language: string): Numbers {
  // Spanish leaves out the dot of four-digit numbers; in columns of figures it is wanted.
  const grouping = { useGrouping: "always" } as Intl.NumberFormatOptions;
  const make = (options: Intl.NumberFormatOptions) => new Intl.NumberFormat(language, { ...grouping, ...options });
  const significant = make({ maximumSignificantDigits: 3 });
  const two = make({ maximumSignificantDigits: 2 });
  const scientific = make({ notation: "scientific", maximumSignificantDigits: 3 });
  const integer = make({ maximumFractionDigits: 0 });
  const fixed = [0, 1, 2, 3].map((digits) => make({ minimumFractionDigits: digits, maximumFractionDigits: digits }));
  const long = make({ notation: "compact", compactDisplay: "long", maximumSignificantDigits: 3 });
  const whole = (value: number | null | undefined) => (known(value) ? integer.format(value) : MISSING);
  return {
    whole,
    written(value) {
      if (!known(value)) return MISSING;
      if (Number.isInteger(value)) return integer.format(value);
      const size = Math.abs(value);
      return (size < 1e-4 || size >= 1e6 ? scientific : significant).format(value);
    },
    percent(share) {
      if (!known(share)) return MISSING;
      const coarse = share === 0 || Math.abs(share) >= 0.0995;
      return `${(coarse ? integer : two).format(100 * share)}${NARROW}%`;
    },
    places: (value, digits) => (known(value) ? (fixed[digits] ?? significant).format(value) : MISSING),
    compact: (value) => (!known(value) ? MISSING : value < 1e6 ? integer.format(value) : long.format(value)),
    duration(seconds) {
      if (!known(seconds)) return MISSING;
      const all = Math.round(seconds);
      const padded = (value: number) => String(value).padStart(2, "0");
      if (all < 60) return `${all}${NARROW}s`;
      if (all < 3600) return `${Math.floor(all / 60)}${NARROW}min ${padded(all % 60)}${NARROW}s`;
      return `${Math.floor(all / 3600)}${NARROW}h ${padded(Math.floor((all % 3600) / 60))}${NARROW}min`;
    },
  };
}

/** Round numbers for the ends and the middle of an axis that holds these values. */
export function niceCeiling(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((each) => each * power >= value * (1 - 1e-9)) ?? 10;
  return step * power;
}
