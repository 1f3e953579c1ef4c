// One column of text as the model writes it, and how it is read back: now and then on the way, and at the end.

import { aborted, type Reread, type Steering } from "./api";
import { session } from "./state.svelte";
import type { Setup } from "./steering";

/** Milliseconds that a text is left alone at least, after it was read on the way. */
const BETWEEN = 400;
/** Reading on the way takes at most this share of the time: the model that reads is the one that writes. */
const SHARE = 0.2;

interface Asked {
  prompt: string;
  steering: Steering | null;
  features: number[];
}

export class Writing {
  text = $state("");
  state = $state<"idle" | "writing" | "reading" | "done">("idle");
  failure = $state<unknown>(null);
  /** The text as the model reads it again, as far as it was read. */
  reread = $state.raw<Reread | null>(null);
  /** Characters of the text that were read again. */
  read = $state(0);
  /** The features whose activations were asked for, in that order. */
  features = $state.raw<number[]>([]);
  private controller: AbortController | null = null;
  /** The reading on the way, where one is under way. */
  private glance: AbortController | null = null;
  /** When the text may be read on the way again. */
  private rested = 0;

  /** Write, and read back; a text that is being written is given up. */
  async write(setup: Setup, steering: Steering | null, features: number[]): Promise<void> {
    this.stop();
    const controller = new AbortController();
    this.controller = controller;
    [this.text, this.state, this.failure, this.features] = ["", "writing", null, features];
    this.forget();
    const { prompt, tokens, temperature, seed } = setup;
    const asked = { prompt, steering, features };
    const question = { model: session.run?.model.name ?? "", prompt, max_tokens: tokens, temperature, seed, steering };
    try {
      for await (const piece of session.api.write(question, controller.signal)) {
        if (this.controller !== controller) return;
        this.text += piece;
        if (features.length) void this.look(asked);
      }
    } catch (error) {
      if (this.controller !== controller) return;
      if (!aborted(error)) {
        this.glance?.abort();
        [this.failure, this.state] = [error, "done"];
        return;
      }
    }
    if (this.controller === controller) await this.finish(asked, controller);
  }

  /** Stop writing; what is there is read back all the same. */
  stop(): void {
    if (this.state === "writing") this.controller?.abort();
  }

  /** Give up everything, as when the screen is left. */
  leave(): void {
    const controller = this.controller;
    this.controller = null;
    controller?.abort();
    this.glance?.abort();
  }

  private forget(): void {
    this.glance?.abort();
    [this.glance, this.reread, this.read, this.rested] = [null, null, 0, 0];
  }

  /** Read what is there, unless that is being done or was done just now. What fails is said by the reading at the end. */
  private async look(asked: Asked): Promise<void> {
    const [text, began] = [this.text, performance.now()];
    if (this.glance || began < this.rested || !text.trim()) return;
    const mine = new AbortController();
    this.glance = mine;
    const found = await readAgain(asked, text, mine.signal).catch(() => null);
    if (this.glance !== mine) return;
    this.glance = null;
    if (found && !mine.signal.aborted) [this.reread, this.read] = [found, text.length];
    const now = performance.now();
    this.rested = now + Math.max(BETWEEN, (now - began) * (1 / SHARE - 1));
  }

  private async finish(asked: Asked, before: AbortController): Promise<void> {
    this.glance?.abort();
    if (!this.text) {
      this.state = "done";
      return;
    }
    // The request that wrote may have been stopped; reading has a signal of its own.
    const controller = before.signal.aborted ? new AbortController() : before;
    this.controller = controller;
    this.state = "reading";
    try {
      const found = await readAgain(asked, this.text, controller.signal);
      if (this.controller === controller) [this.reread, this.read] = [found, this.text.length];
    } catch (error) {
      if (this.controller === controller && !aborted(error)) this.failure = error;
    }
    if (this.controller === controller) this.state = "done";
  }
}

/** Activations and divergences of a text. */
async function readAgain({ prompt, steering, features }: Asked, text: string, signal: AbortSignal): Promise<Reread> {
  // Activations are those of the untouched model: under the edit, the feature would be found wherever it was put.
  const found = await session.api.reread({ prompt, text, features, steering: null }, signal);
  if (!steering) return found;
  const pushed = await session.api.reread({ prompt, text, features: [], steering }, signal);
  return { ...found, divergence: pushed.divergence };
}
