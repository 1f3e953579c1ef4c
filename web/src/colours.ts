// Colours of the style sheet as a canvas takes them.

/** What variables of the style sheet are where this element stands; `light-dark()` and mixtures are worked out. */
export function coloursOf(element: HTMLElement, names: string[]): string[] {
  const before = element.style.color;
  const found = names.map((name) => {
    element.style.color = `var(${name})`;
    return getComputedStyle(element).color;
  });
  element.style.color = before;
  return found;
}

/** Red, green and blue of a colour as the browser tells it, from 0 to 255. */
export function rgbOf(colour: string): [number, number, number] {
  const [red = 0, green = 0, blue = 0] = (colour.match(/[\d.]+/g) ?? []).map(Number);
  return [red, green, blue];
}

/** Called when the reader's system turns light or dark; returns how to stop it. */
export function onScheme(changed: () => void): () => void {
  const query = matchMedia("(prefers-color-scheme: dark)");
  query.addEventListener("change", changed);
  return () => query.removeEventListener("change", changed);
}

/** A canvas as sharp as the screen, and its context in CSS pixels. */
export function sharpen(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D | null {
  const scale = Math.min(3, devicePixelRatio || 1);
  const [wide, high] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
  const context = canvas.getContext("2d");
  context?.setTransform(scale, 0, 0, scale, 0, 0);
  return context;
}
