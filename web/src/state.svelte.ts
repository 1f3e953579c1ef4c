// What all screens share: language, colours, route, token, the run, and the reader's lists.

import { ApiError, openApi, Unreachable, type Run } from "./api";
import { emptyLists, restored, type Lists } from "./lists";
import { numbersOf } from "./numbers";
import { formatRoute, parseRoute, takeToken, type Route } from "./route";
import { en, type Words } from "./words/en";
import { es } from "./words/es";

export const LANGUAGES: Record<string, Words> = { en, es };
export const THEMES = ["auto", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];
const TOKEN = "monoscope.token";

/** What a browser keeps; where it keeps nothing, nothing is read. */
export function recall(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** Whether it was kept. */
export function remember(key: string, value: string): boolean {
  try {
    localStorage.setItem(key, value);
    return true;
  } catch {
    return false;
  }
}

function firstToken(): string {
  const taken = takeToken(location.hash);
  try {
    if (taken) sessionStorage.setItem(TOKEN, taken.token);
    return taken?.token ?? sessionStorage.getItem(TOKEN) ?? "";
  } catch {
    return taken?.token ?? "";
  } finally {
    if (taken) history.replaceState(null, "", taken.hash);
  }
}

function firstLanguage(): string {
  const kept = recall("monoscope.language");
  if (kept && kept in LANGUAGES) return kept;
  return navigator.languages.map((each) => each.slice(0, 2).toLowerCase()).find((each) => each in LANGUAGES) ?? "en";
}

const firstTheme = THEMES.find((each) => each === recall("monoscope.theme")) ?? "auto";

class Session {
  token = $state(firstToken());
  /** Whether the server asks for another token. */
  refused = $state(false);
  language = $state(firstLanguage());
  theme = $state<Theme>(firstTheme);
  route = $state.raw<Route>(parseRoute(location.hash));
  run = $state.raw<Run | null>(null);
  lists = $state.raw<Lists>(emptyLists("Starred"));
  /** Whether lists outlive the page. */
  kept = $state(true);
  /** What the last search was, so that a feature leads back to it. */
  lastSearch = $state("#/features");
  /** The last thing done, said aloud and shown for a moment. */
  said = $state("");

  words = $derived(LANGUAGES[this.language] ?? en);
  numbers = $derived(numbersOf(this.language));
  private silence: ReturnType<typeof setTimeout> | undefined;

  readonly api = openApi(
    () => this.token,
    () => (this.refused = true),
  );

  /** Another token may be another server's, with another run: whatever was fetched before is forgotten. */
  setToken(token: string): void {
    try {
      sessionStorage.setItem(TOKEN, token.trim());
      if (this.run) {
        location.reload();
        return;
      }
    } catch {
      // It lasts as long as the page.
    }
    this.token = token.trim();
    this.refused = false;
  }

  setLanguage(language: string): void {
    this.language = language;
    remember("monoscope.language", language);
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    remember("monoscope.theme", theme);
  }

  setRun(run: Run): void {
    const before = this.listsKey;
    // What is the same stays the same object: nothing is drawn anew.
    if (JSON.stringify(run) !== JSON.stringify(this.run)) this.run = run;
    if (this.listsKey !== before) this.lists = restored(recall(this.listsKey)) ?? emptyLists(this.words.lists.first);
  }

  /** Fetch the run again, as when it has got another vector. */
  async reloadRun(): Promise<void> {
    this.setRun(await this.api.run());
  }

  /** Lists hold numbers of one dictionary, so each run has its own. */
  private get listsKey(): string {
    return `monoscope.lists ${this.run?.model.hash ?? ""} ${this.run?.address ?? ""} ${this.run?.dictionary?.hash ?? ""}`;
  }

  setLists(lists: Lists): void {
    this.lists = lists;
    this.kept = remember(this.listsKey, JSON.stringify(lists));
  }

  say(text: string): void {
    clearTimeout(this.silence);
    this.said = text;
    this.silence = setTimeout(() => (this.said = ""), 2500);
  }

  async copy(text: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
      this.say(this.words.copied);
    } catch {
      this.say(this.words.notCopied);
    }
  }
}

export const session = new Session();

/** Follow the address bar. */
export function followAddress(): void {
  addEventListener("hashchange", () => {
    const taken = takeToken(location.hash);
    if (taken) {
      history.replaceState(null, "", taken.hash);
      session.setToken(taken.token);
    }
    session.route = parseRoute(location.hash);
  });
}

/** Go to a route, as a new entry of the history. */
export function go(hash: string): void {
  location.hash = hash;
}

/** Say where the page is now, without a new entry of the history. */
export function rewrite(route: Route): void {
  const hash = formatRoute(route);
  if (hash !== location.hash) history.replaceState(null, "", hash);
  session.route = route;
}

/** A failure as a sentence and a hint. */
export function told(error: unknown, words: Words): { message: string; hint: string | null } {
  if (error instanceof ApiError) return { message: error.message, hint: error.hint };
  if (error instanceof Unreachable) return words.unreachable;
  return { message: words.unexpected, hint: error instanceof Error ? error.message : String(error) };
}
