// What else a card tells: how well each description holds, what the model does without the feature, and relatives.

// What each method looks at.
const METHODS = {
  __proto__: null,
  tokens: "Fires on",
  near: "Words around it",
  patterns: "Fires on the end of",
  promotes: "Makes likelier",
  planted: "Marks the concept",
  mention: "Marks mentions of",
  passage: "Marks passages about",
};
// Scores in words; one that has none is given by its name.
const SCORES = {
  __proto__: null,
  tokens: { share: (share) => `${percent(share)} of its activation` },
  near: { overlap: (score) => `overlap of the first ${score.toFixed(2)}, where 1 is always together` },
  patterns: {
    precision: (share) => `right ${percent(share)} of the time it matches`,
    recall: (share) => `finds ${percent(share)} of its activations`,
    share: (share) => `which carry ${percent(share)} of its strength`,
  },
  promotes: { deviations: (count) => `the first ${written(count)} standard deviations above the average token` },
  planted: {
    f1: (score) => `F1 ${score.toFixed(2)}`,
    precision: (share) => `right ${percent(share)} of the time it fires`,
    recall: (share) => `finds ${percent(share)} of the concept`,
  },
};
// Methods whose scores were counted on text that the description was not made from.
const KEPT_APART = ["patterns", "planted"];
// Nats from which an effect is told of a token, and from which it is underlined, and underlined more strongly.
const TOLD = 0.01;
const UNDERLINED = [0.1, 0.3, 1];

const known = (value) => Number.isFinite(value);

/** How well a description holds, in words. */
function scoreWords({ method, scores }) {
  const words = SCORES[method] ?? {};
  const names = Object.keys(scores).filter((name) => known(scores[name]));
  const said = Object.keys(words).filter((name) => names.includes(name)).map((name) => words[name](scores[name]));
  const others = names.filter((name) => !(name in words)).map((name) => `${visible(name)} ${written(scores[name])}`);
  const told = [...said, ...others].join(", ");
  return told && KEPT_APART.includes(method) ? `${told}, on text kept apart` : told;
}

/** What each method says, a line each, and the patterns. */
function saidOf(card) {
  if (!card.descriptions.length) return [];
  const lines = card.descriptions.flatMap((each) => {
    const text = each.method === "planted" ? each.text.replaceAll("_", " ") : each.text;
    const score = scoreWords(each);
    return [
      make("dt", {}, METHODS[each.kind] ?? METHODS[each.method] ?? visible(each.method)),
      make(
        "dd",
        {},
        make("span", { class: "said", dir: "auto" }, visible(text)),
        score ? make("span", { class: "score" }, score) : null,
      ),
    ];
  });
  return [make("h4", {}, "In words, and how well the words hold"), make("dl", { class: "sayings" }, lines), ...patterns(card)];
}

/** Patterns in a table: the token that the feature fires on is marked, where brackets say which. */
function patterns(card) {
  if (!card.patterns.length) return [];
  const cell = (text) => make("td", {}, text);
  const rows = card.patterns.map(({ text, matches, active }) =>
    make(
      "tr",
      {},
      make("th", { scope: "row", class: "pattern", dir: "auto" }, bracketed(visible(text))),
      cell(known(matches) ? matches.toLocaleString("en") : "–"),
      cell(known(matches) && known(active) && matches > 0 ? percent(active / matches) : "–"),
    ),
  );
  const heads = ["Text", "Matches", "Fires there"].map((name) => make("th", { scope: "col" }, name));
  const table = make(
    "table",
    { class: "figures" },
    make("caption", {}, "Patterns"),
    make("thead", {}, make("tr", {}, heads)),
    make("tbody", {}, rows),
  );
  const summary = make("summary", {}, `${rows.length === 1 ? "The pattern" : `The ${rows.length} patterns`} one by one, on text kept apart`);
  return [make("details", { class: "fold", open: "" }, summary, table)];
}

/** A pattern's text with what stands in its last brackets marked. */
function bracketed(text) {
  const [open, close] = [text.lastIndexOf("["), text.lastIndexOf("]")];
  if (open < 0 || close < open) return [text];
  return [text.slice(0, open), make("mark", {}, text.slice(open + 1, close)), text.slice(close + 1)];
}

/** How much harder or easier a token is to predict without the feature, in words. */
function harder(nats) {
  const ratio = Math.exp(Math.abs(nats));
  const times = Number(ratio.toPrecision(ratio < 2 ? 3 : 2)).toLocaleString("en");
  const [way, likely] = nats > 0 ? ["harder", "less likely"] : ["easier", "as likely"];
  return [`${written(Number(Math.abs(nats).toPrecision(2)))} nats ${way} to predict`, `${times} times ${likely}`];
}

/** What is told of a token's loss, and the class of its underline; null where there is next to nothing. */
function effectOn(example, place) {
  const nats = example.effect?.losses[place];
  if (!known(nats) || Math.abs(nats) < TOLD) return null;
  const strength = UNDERLINED.filter((least) => Math.abs(nats) >= least).length;
  const className = strength ? `${nats > 0 ? "helped" : "hurt"} by${strength}` : "";
  return { className, words: `without the feature ${harder(nats)[0]}` };
}

/** What underlines mean, where there are any. */
function underlines(card, kind) {
  if (!card.examples.some((example) => example.kind === kind && example.effect)) return [];
  return [
    make(
      "p",
      { class: "soft small" },
      make("span", { class: "helped by2" }, "Underlined"), " tokens are predicted worse without the feature, ",
      make("span", { class: "hurt by2" }, "dotted"), " ones better.",
    ),
  ];
}

function voteChips(votes) {
  return votes.map(({ text, nats }) => {
    const tip = known(nats) ? `${nats > 0 ? "raised" : "lowered"} by ${written(Math.abs(nats))} nats` : null;
    return make("span", { class: "vote", "data-tip": tip }, tokenParts(text));
  });
}

/** Under an example: the token after its peak without the feature, and what the feature voted for and against. */
function effectWords(example) {
  const { next, promoted, suppressed } = example.effect;
  const following = example.tokens[example.peakAt + 1];
  const token = following === undefined ? [] : [", ", make("span", { class: "vote" }, tokenParts(following)), ","];
  const words = known(next) ? ["Without this feature the next token", ...token, ...verdict(next)] : [];
  const up = promoted.length ? ["It votes for ", voteChips(promoted)] : [];
  const down = suppressed.length ? [up.length ? ", against " : "It votes against ", voteChips(suppressed)] : [];
  const votes = up.length || down.length ? [...up, ...down, "."] : [];
  return make("p", { class: "effect" }, words, words.length && votes.length ? " " : null, votes);
}

function verdict(next) {
  if (Math.abs(next) < TOLD) return [" would be as easy to predict."];
  const [much, times] = harder(next);
  return [" would be ", make("b", {}, much), ` (${times})${next < 0 ? ": here the feature hurts" : ""}.`];
}

/** A list of other features, each a link with its description and a figure. */
function related(title, note, rows, names) {
  if (!rows.length) return null;
  const links = rows.map(({ feature, figure, tip }) =>
    make(
      "li",
      {},
      make(
        "a",
        { href: `#feature-${feature}`, "data-feature": feature, "data-tip": tip },
        make("span", { class: "number" }, String(feature)),
        make("span", { class: "words", dir: "auto" }, briefly(names(feature))),
        make("span", { class: "rate" }, figure),
      ),
    ),
  );
  return make("div", {}, make("h4", {}, title), make("p", { class: "soft small" }, note), make("ul", { class: "related" }, links));
}

/** Features that are on at the same time, beside those that point the same way. */
function relations(card, names) {
  const together = card.coactive.map(({ feature, correlation, share }) => ({
    feature,
    figure: percent(share),
    tip: `on for ${percent(share)} of the tokens that this feature is on for; correlation ${written(correlation)}`,
  }));
  const near = card.neighbours.map(({ feature, cosine }) => ({
    feature,
    figure: written(cosine),
    tip: `cosine ${written(cosine)}`,
  }));
  const lists = [
    related("Active together", "How often, when this feature is on, the other is on too.", together, names),
    related("Pointing nearly the same way", "Cosine of the two directions: 1 is the same, 0 unrelated.", near, names),
  ].filter(Boolean);
  return lists.length ? [make("div", { class: "relations" }, lists)] : [];
}
