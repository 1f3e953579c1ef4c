// One column of text as the model writes it, and how it is read back afterwards.

import { aborted, type Reread, type Steering } from "./api";
import { session } from "./state.svelte";
import type { Setup } from "./steering";

export class Writing {
  text = $state("");
  state = $state<"idle" | "writing" | "reading" | "done">("idle");
  failure = $state<unknown>(null);
  /** The text as the model reads it again, once it is written. */
  reread = $state.raw<Reread | null>(null);
  /** The features whose activations were asked for, in that order. */
  features = $state.raw<number[]>([]);
  private controller: AbortController | null = null;

  /** Write, and read back; a text that is being written is given up. */
  async write(setup: Setup, steering: Steering | null, features: number[]): Promise<void> {
    this.stop();
    const controller = new AbortController();
    this.controller = controller;
    [this.text, this.state, this.failure, this.reread, this.features] = ["", "writing", null, null, features];
    const { prompt, tokens, temperature, seed } = setup;
    const question = { model: session.run?.model.name ?? "", prompt, max_tokens: tokens, temperature, seed, steering };
    try {
      for await (const piece of session.api.write(question, controller.signal)) {
        if (this.controller !== controller) return;
        this.text += piece;
      }
    } catch (error) {
      if (this.controller !== controller) return;
      if (!aborted(error)) {
        [this.failure, this.state] = [error, "done"];
        return;
      }
    }
    if (this.controller === controller) await this.read(prompt, steering, controller);
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
  }

  private async read(prompt: string, steering: Steering | null, before: AbortController): Promise<void> {
    if (!this.text) {
      this.state = "done";
      return;
    }
    // The request that wrote may have been stopped; reading has a signal of its own.
    const controller = before.signal.aborted ? new AbortController() : before;
    this.controller = controller;
    this.state = "reading";
    try {
      // Activations are those of the untouched model: under the edit, the feature would be found wherever it was put.
      const question = { prompt, text: this.text, features: this.features };
      const found = await session.api.reread({ ...question, steering: null }, controller.signal);
      const pushed = steering ? await session.api.reread({ ...question, features: [], steering }, controller.signal) : found;
      if (this.controller === controller) this.reread = { ...found, divergence: pushed.divergence };
    } catch (error) {
      if (this.controller === controller && !aborted(error)) this.failure = error;
    }
    if (this.controller === controller) this.state = "done";
  }
}
