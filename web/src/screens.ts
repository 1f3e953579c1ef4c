// The screens that there are. A new one is a line here; the navigation shows those that a run can show.

import type { Component } from "svelte";
import type { Run } from "./api";
import Feature from "./screens/Feature.svelte";
import Features from "./screens/Features.svelte";
import Home from "./screens/Home.svelte";
import Lens from "./screens/Lens.svelte";
import Steer from "./screens/Steer.svelte";
import Tour from "./screens/Tour.svelte";
import Vectors from "./screens/Vectors.svelte";
import type { Words } from "./words/en";

export interface Screen {
  /** First part of its address; empty for Home. */
  name: string;
  component: Component;
  /** Its name in the navigation; null keeps it out of there. */
  title: ((words: Words) => string) | null;
  /** Whether there is something to see in this run. */
  available: (run: Run) => boolean;
}

export const SCREENS: Screen[] = [
  { name: "", component: Home, title: (words) => words.nav.home, available: () => true },
  { name: "tour", component: Tour, title: (words) => words.tour.nav, available: () => true },
  { name: "features", component: Features, title: (words) => words.nav.features, available: (run) => run.has.index },
  { name: "feature", component: Feature, title: null, available: (run) => run.has.index },
  { name: "lens", component: Lens, title: (words) => words.lens.nav, available: (run) => run.has.model && run.has.index },
  { name: "steer", component: Steer, title: (words) => words.steer.nav, available: (run) => run.has.model && run.has.index },
  { name: "vectors", component: Vectors, title: (words) => words.vectors.nav, available: (run) => run.has.model },
];
