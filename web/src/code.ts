// A feature as code to copy.

const PROMPT = "Once upon a time";

/** A word that a shell takes as it is. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

export function pythonCode(run: string, model: string, feature: number, clamp = 1): string {
  const text = (value: string) => JSON.stringify(value);
  return [
    "import monoscope as ms",
    "",
    `lm = ms.load_model(${text(model)})`,
    `sae = ms.load_dictionary(${text(`${run}/dictionary`)})`,
    `with ms.steer(lm, sae, {${feature}: ms.Clamp(${clamp})}):  # times the largest activation seen, at every token`,
    `    print(lm.generate(${text(PROMPT)}, n_tokens=40))`,
    "",
  ].join("\n");
}

export function steerCommand(run: string, feature: number, clamp = 1): string {
  return `monoscope steer ${shellWord(run)} --feature ${feature} --clamp ${clamp} --prompt "${PROMPT}"`;
}
