// What the screen of features asks for, in the address and of the server.

import type { FeatureQuery, SearchBy } from "./api";
import type { Route } from "./route";

export const KINDS: SearchBy[] = ["words", "fires", "promotes", "description"];
export const COLUMNS = ["feature", "description", "density", "max_activation", "mean_activation", "n_active", "score"] as const;
export type Column = (typeof COLUMNS)[number];
export const FILTERS = ["alive & density<0.01", 'description~"bridge"', "max>10 & n_active>=100", "density=0.1%..1%"];

export interface View {
  q: string;
  by: SearchBy;
  where: string;
  /** Empty for the order that goes without saying: best match first, or most frequent first. */
  sort: string;
  /** Features of a list, instead of a search. */
  list: number[] | null;
}

export function viewOf({ parameters }: Route): View {
  const { q = "", by = "", where = "", sort = "", list } = parameters;
  const numbers = list?.split(",").filter((each) => /^\d{1,9}$/.test(each)).map(Number);
  const column = sort.replace(/^-/, "");
  return {
    q,
    by: KINDS.find((each) => each === by) ?? "words",
    where,
    sort: COLUMNS.some((each) => each === column && each !== "description") ? sort : "",
    list: numbers ? [...new Set(numbers)] : null,
  };
}

export function routeOf({ q, by, where, sort, list }: View): Route {
  const parameters: Record<string, string> = list
    ? { list: list.join(",") }
    : { q, by: by === "words" ? "" : by, where, sort };
  return { screen: "features", rest: "", parameters };
}

export function queryOf(view: View): FeatureQuery {
  const { q, by, where } = view;
  return { q: by === "fires" || by === "promotes" ? q : q.trim(), by, where: where.trim(), sort: sortOf(view) };
}

/** Whether something is searched for. A token may be a space; words are not. */
export function isSearch(q: string, by: SearchBy): boolean {
  return (by === "fires" || by === "promotes" ? q : q.trim()) !== "";
}

/** The order, said or not; without a search there is no match to go by. */
export function sortOf({ q, by, sort }: View): string {
  const searching = isSearch(q, by);
  if (sort && (searching || sort.replace("-", "") !== "score")) return sort;
  return searching ? "-score" : "-density";
}

/** The order after a click on a column: the largest first, then the smallest; numbers the other way about. */
export function nextSort(now: string, column: Column): string {
  const first = column === "feature" ? column : `-${column}`;
  const second = column === "feature" ? `-${column}` : column;
  return now === first ? second : first;
}
