// One feature's card. Every text goes in as text: nothing here writes HTML.

const SHADES = 10;
const OPEN_EXAMPLES = 6;
const OPEN_WEAKER = 3;
// Controls, line separators and marks of writing direction, for which a replacement character stands.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children; children that are null are left out. */
function make(name, attributes = {}, ...children) {
  const svg = ["svg", "rect", "line", "text", "title", "desc"].includes(name);
  const element = svg ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.flat(2).filter((child) => child !== null && child !== undefined));
  return element;
}

function written(value) {
  if (!Number.isFinite(value)) return "–";
  if (value !== 0 && (Math.abs(value) < 1e-4 || Math.abs(value) >= 1e6)) return value.toExponential(2);
  return value.toLocaleString("en", { maximumSignificantDigits: 3 });
}

function percent(share) {
  if (!Number.isFinite(share)) return "–";
  const whole = share === 0 || share >= 0.0995;
  const digits = whole ? (100 * share).toFixed(0) : String(Number((100 * share).toPrecision(2)));
  return `${digits}\u00a0%`;
}

/** How often it fires, in words. */
function oneIn(density) {
  if (!density) return "never fired";
  return density > 0.3 ? `${percent(density)} of tokens` : `1 token in ${Math.round(1 / density).toLocaleString("en")}`;
}

function visible(token) {
  return token.replaceAll("\r", "").replaceAll("\n", "↵").replace(UNSEEN, "\ufffd");
}

/** A description as lists show it: without the share, which rows have no room for. */
function briefly(description) {
  return visible(description).replace(/ \([^()]*of activation\)/, "");
}

/** A token by itself: a leading space is shown as a faint dot. */
function tokenParts(text) {
  const shown = visible(text);
  return shown.startsWith(" ") ? [make("span", { class: "space" }, "·"), shown.slice(1)] : [shown];
}

/** A stretch of text with its tokens coloured by activation, their leading spaces left white. */
function colouredText(example, largest) {
  const parts = example.tokens.flatMap((token, place) => {
    const activation = example.activations[place];
    const effect = effectOn(example, place);
    const shown = place ? visible(token) : visible(token).replace(/^ +/, "");
    const word = shown.replace(/^ +(?=.)/, "");
    const spaces = shown.slice(0, shown.length - word.length);
    if (!(activation > 0) && !effect) return [shown];
    const step = activation > 0 ? Math.min(SHADES, Math.max(1, Math.round((SHADES * activation) / largest))) : 0;
    const exact = place === example.peakAt ? example.peak : activation;
    const strength = step ? `${written(exact)}, ${percent(exact / largest)} of the largest` : "silent here";
    const classes = [`s${step}`, place === example.peakAt && step ? "most" : "", effect?.className ?? ""];
    const tip = [strength, effect?.words].filter(Boolean).join("; ");
    return [spaces, make("span", { class: classes.filter(Boolean).join(" "), "data-tip": tip }, word)];
  });
  return make("p", { class: "text", dir: "auto", tabindex: 0 }, parts);
}

function exampleRow(card, example) {
  return make(
    "li",
    {},
    make("span", { class: "peak", "data-tip": `document ${example.document}` }, written(example.peak)),
    make("div", {}, colouredText(example, card.largest), example.effect ? effectWords(example) : null),
  );
}

/** Examples of one kind, the first few open and the others folded. */
function examplesOf(card, kind, open) {
  const rows = card.examples.filter((example) => example.kind === kind).map((example) => exampleRow(card, example));
  const more = rows.slice(open);
  const summary = make("summary", {}, `${more.length} more`);
  const folded = make("details", { class: "fold" }, summary, make("ol", { class: "examples" }, more));
  return [make("ol", { class: "examples" }, rows.slice(0, open)), ...(more.length ? [folded] : [])];
}

/** Name of a kind of examples: `interval 2` of 4 holds activations between a quarter and a half of the largest. */
function kindName(kind, intervals) {
  if (kind === "top") return "Strongest";
  if (kind === "near miss") return "Silent here, though it often fires on one of these tokens";
  const place = Number(kind.split(" ")[1]);
  return `At ${percent((place - 1) / intervals)} to ${percent(place / intervals)} of the largest`;
}

/** The strongest examples, or those drawn from each interval of weaker activations. */
function exampleGroups(card, strongest) {
  const kinds = [...new Set(card.examples.map((example) => example.kind))];
  const intervals = Math.max(1, ...kinds.map((kind) => Number(kind.split(" ")[1]) || 0));
  return kinds
    .filter((kind) => (kind === "top") === strongest)
    .flatMap((kind) => [
      make("h4", {}, kindName(kind, intervals)),
      ...underlines(card, kind),
      ...examplesOf(card, kind, strongest ? OPEN_EXAMPLES : OPEN_WEAKER),
    ]);
}

/** Rows of a token, an amount, and a bar as long as its part of the largest. */
function bars(rows, shownAmount, tip, className = "") {
  const longest = Math.max(...rows.map((row) => row.amount), 1e-12);
  return make(
    "ul",
    { class: `bars ${className}` },
    rows.map((row) => {
      const fill = make("span", { class: "fill" });
      fill.style.width = `${Math.max(1, (100 * row.amount) / longest)}%`;
      return make(
        "li",
        { "data-tip": tip(row) },
        make("span", { class: "token" }, tokenParts(row.text)),
        make("span", { class: "amount" }, shownAmount(row)),
        make("span", { class: "track" }, fill),
      );
    }),
  );
}

/** Activations above 0 on a logarithmic axis. */
function histogram({ span, counts }) {
  const [width, height, base] = [260, 84, 64];
  const most = Math.max(...counts);
  const step = width / counts.length;
  const edge = (place) => 10 ** (span[0] + ((span[1] - span[0]) * place) / counts.length);
  const rects = counts.map((count, place) => {
    const tall = count ? Math.max(1.5, (base * count) / most) : 0;
    const tip = `${count.toLocaleString("en")} tokens at ${written(edge(place))} to ${written(edge(place + 1))}`;
    return make("rect", {
      x: place * step, y: base - tall, width: Math.max(0.5, step - 1), height: tall, class: "bar", "data-tip": tip,
    });
  });
  const label = (x, anchor, text) => make("text", { x, y: height - 5, "text-anchor": anchor }, text);
  return make(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, class: "chart", role: "img", "aria-label": "How strongly it fires" },
    rects,
    make("line", { x1: 0, x2: width, y1: base, y2: base, class: "axis" }),
    label(0, "start", written(edge(0))),
    label(width / 2, "middle", "activation (log scale)"),
    label(width, "end", written(edge(counts.length))),
  );
}

function weights(rows, className) {
  const named = rows.map((row) => ({ ...row, amount: Math.abs(row.weight) }));
  const tip = (row) => `logit ${written(row.weight)} per unit of activation`;
  return bars(named, (row) => written(row.weight), tip, className);
}

function panel(title, ...content) {
  return make("div", {}, make("h4", {}, title), content);
}

function inside(card) {
  const tokens = card.tokens.map((row) => ({ ...row, amount: row.share }));
  const lift = (row) =>
    `${percent(row.share)} of its activation; ${written(row.lift)} times as likely here as anywhere`;
  return make(
    "div",
    { class: "inside" },
    tokens.length ? panel("Fires on", bars(tokens, (row) => percent(row.share), lift)) : null,
    card.promoted.length ? panel("Makes likelier", weights(card.promoted, "")) : null,
    card.suppressed.length ? panel("Makes less likely", weights(card.suppressed, "cool")) : null,
  );
}

/** Draw a card into `article`; `names` gives a feature's description, `step` moves to another card. */
function drawCard(article, card, names, step) {
  const fact = (name, value) => make("div", {}, make("dt", {}, name), make("dd", {}, value));
  const previous = make("button", { type: "button", "aria-label": "Previous feature" }, "←");
  const next = make("button", { type: "button", "aria-label": "Next feature" }, "→");
  previous.addEventListener("click", () => step(-1));
  next.addEventListener("click", () => step(1));
  article.replaceChildren(
    make(
      "header",
      {},
      make("span", { class: "which" }, `Feature ${card.feature}`),
      make("span", { class: "step" }, previous, next),
    ),
    make("h3", { dir: "auto" }, visible(card.description)),
    make("div", { class: "address" }, card.address),
    make(
      "div",
      { class: "overview" },
      make(
        "dl",
        { class: "measures" },
        fact("Fires on", oneIn(card.density)),
        fact("In all", `${card.active.toLocaleString("en")} tokens`),
        fact("Largest activation", written(card.largest)),
        fact("Mean when on", written(card.mean)),
      ),
      card.histogram.counts.length ? histogram(card.histogram) : null,
    ),
    ...exampleGroups(card, true),
    inside(card),
    ...saidOf(card),
    ...exampleGroups(card, false),
    ...relations(card, names),
    make(
      "p",
      { class: "shortcuts" },
      make("kbd", {}, "/"), " search, ", make("kbd", {}, "←"), " ", make("kbd", {}, "→"), " other features, ",
      make("kbd", {}, "Tab"), " to an example and ", make("kbd", {}, "←"), " ", make("kbd", {}, "→"),
      " along its tokens",
    ),
  );
}
