// The address after the "#": a screen, what it shows, and how. The token comes in the same place, once.

export interface Route {
  /** Name of the screen; empty for Home. */
  screen: string;
  /** What follows its name, as the number of a feature. */
  rest: string;
  parameters: Record<string, string>;
}

export function parseRoute(hash: string): Route {
  const text = hash.replace(/^#/, "").replace(/^\//, "");
  const [path = "", search = ""] = splitOnce(text, "?");
  const [screen = "", rest = ""] = splitOnce(path, "/");
  return { screen: decoded(screen), rest: decoded(rest), parameters: Object.fromEntries(new URLSearchParams(search)) };
}

/** The hash of a route; parameters that are empty are left out. */
export function formatRoute({ screen, rest, parameters }: Route): string {
  const path = [screen, rest].filter(Boolean).map(encodeURIComponent).join("/");
  const search = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== "")).toString();
  return `#/${path}${search ? `?${search}` : ""}`;
}

export const featureHash = (feature: number): string => formatRoute({ screen: "feature", rest: String(feature), parameters: {} });

/** The token that an address brings, and the hash without it; null where there is none. */
export function takeToken(hash: string): { token: string; hash: string } | null {
  const found = /^#token=([^&/?#]*)&?(.*)$/s.exec(hash);
  if (!found?.[1]) return null;
  const rest = found[2] ?? "";
  return { token: decoded(found[1]), hash: rest.startsWith("/") ? `#${rest}` : "#/" };
}

function splitOnce(text: string, mark: string): string[] {
  const place = text.indexOf(mark);
  return place < 0 ? [text] : [text.slice(0, place), text.slice(place + 1)];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
