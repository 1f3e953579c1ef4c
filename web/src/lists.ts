// Lists of features that a reader keeps: plain values, and what makes a new one from an old one.

export interface FeatureList {
  name: string;
  features: number[];
}

export interface Lists {
  lists: FeatureList[];
  /** Name of the list that a star adds to. */
  current: string;
}

const FORMAT = "monoscope feature lists";

export function emptyLists(name: string): Lists {
  return { lists: [{ name, features: [] }], current: name };
}

export function currentList({ lists, current }: Lists): FeatureList {
  return lists.find((each) => each.name === current) ?? lists[0] ?? { name: current, features: [] };
}

/** With the feature added to the current list, or taken from it. */
export function toggled(all: Lists, feature: number): Lists {
  const { name } = currentList(all);
  const lists = all.lists.map((each) => {
    if (each.name !== name) return each;
    const without = each.features.filter((other) => other !== feature);
    return { name, features: without.length < each.features.length ? without : [...each.features, feature] };
  });
  return { ...all, lists };
}

/** With a list of that name, which becomes the current one; one that is there already is only chosen. */
export function withList(all: Lists, name: string): Lists {
  const trimmed = name.trim();
  if (!trimmed) return all;
  const lists = all.lists.some((each) => each.name === trimmed) ? all.lists : [...all.lists, { name: trimmed, features: [] }];
  return { lists, current: trimmed };
}

/** Without that list; the last one is emptied instead. */
export function withoutList(all: Lists, name: string): Lists {
  const left = all.lists.filter((each) => each.name !== name);
  const first = left[0];
  if (!first) return emptyLists(name);
  return { lists: left, current: all.current === name ? first.name : all.current };
}

/** The current list under another name, unless that is empty or taken. */
export function renamed(all: Lists, name: string): Lists {
  const trimmed = name.trim();
  if (!trimmed || all.lists.some((each) => each.name === trimmed)) return all;
  const old = currentList(all).name;
  return { lists: all.lists.map((each) => (each.name === old ? { ...each, name: trimmed } : each)), current: trimmed };
}

export function exported(all: Lists, run: string): string {
  return `${JSON.stringify({ format: FORMAT, run, lists: all.lists }, null, 2)}\n`;
}

function isList(value: unknown): value is FeatureList {
  if (typeof value !== "object" || value === null) return false;
  const { name, features } = value as Partial<FeatureList>;
  return typeof name === "string" && Array.isArray(features) && features.every((each) => Number.isSafeInteger(each) && each >= 0);
}

/** What a file holds beside what there is: lists of the same name are joined. Null for a file of another kind. */
export function imported(all: Lists, text: string): Lists | null {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof read !== "object" || read === null) return null;
  const { format, lists } = read as { format?: unknown; lists?: unknown };
  if (format !== FORMAT || !Array.isArray(lists) || !lists.every(isList)) return null;
  let joined = all;
  for (const { name, features } of lists) {
    joined = withList(joined, name);
    const target = name.trim();
    joined = {
      ...joined,
      lists: joined.lists.map((each) =>
        each.name === target ? { name: target, features: [...new Set([...each.features, ...features])] } : each,
      ),
    };
  }
  return { ...joined, current: all.current };
}

/** Lists as they were stored, or null where nothing readable was. */
export function restored(text: string | null): Lists | null {
  if (text === null) return null;
  try {
    const { lists, current } = JSON.parse(text) as Lists;
    return Array.isArray(lists) && lists.length && lists.every(isList) && typeof current === "string" ? { lists, current } : null;
  } catch {
    return null;
  }
}
