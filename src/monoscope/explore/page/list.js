// The list of features: search, order, and rows made as they are scrolled to.

const ROWS_AT_ONCE = 60;

/** How well a feature answers the words of a query: 0 unless it answers every one. */
function matchScore(cards, place, words) {
  const description = cards.description[place].toLowerCase();
  const tokens = cards.texts("tokens", place).map((text) => text.trim().toLowerCase());
  const promoted = cards.texts("promoted", place).map((text) => text.trim().toLowerCase());
  let total = 0;
  for (const word of words) {
    const fires = tokens.indexOf(word);
    const score = Math.max(
      String(cards.feature[place]) === word ? 100 : 0,
      fires >= 0 ? 12 - Math.min(fires, 8) : 0,
      promoted.includes(word) ? 2 : 0,
      description.split(/[^\p{L}\p{N}]+/u).includes(word) ? 5 : 0,
      description.includes(word) ? 1 : 0,
      tokens.some((token) => token.startsWith(word)) ? 1 : 0,
    );
    if (!score) return 0;
    total += score;
  }
  return total;
}

/** A number between 0 and 1 for a place, the same for the same seed: an order that looks shuffled. */
function shuffled(place, seed) {
  const wave = Math.sin((place + 1) * 12.9898 + seed * 78.233) * 43758.5453;
  return wave - Math.floor(wave);
}

/** Places of the features that answer the query, in the order asked for; those that never fired come last. */
function arrange(cards, query, order, seed) {
  const words = query.toLowerCase().split(/\s+/).map((word) => word.replace(/^#/, "")).filter(Boolean);
  const scores = new Map();
  for (let place = 0; place < cards.count; place += 1) {
    const score = words.length ? matchScore(cards, place, words) : 1;
    if (score) scores.set(place, score);
  }
  const by = {
    best: (place) => (words.length ? -scores.get(place) : -cards.telling[place]),
    common: (place) => -cards.density[place],
    rare: (place) => cards.density[place],
    strong: (place) => -cards.largest[place],
    number: (place) => cards.feature[place],
    random: (place) => shuffled(place, seed),
  }[order];
  const silent = (place) => (order === "number" ? 0 : Number(!cards.density[place]));
  return Array.from(scores.keys()).sort(
    (a, b) => silent(a) - silent(b) || by(a) - by(b) || cards.density[b] - cards.density[a] || a - b,
  );
}

function listRow(cards, place, order) {
  const number = cards.feature[place];
  const often = cards.density[place] ? percent(cards.density[place]) : "silent";
  const rate = order === "strong" ? written(cards.largest[place]) : often;
  return make(
    "li",
    {},
    make(
      "a",
      { href: `#feature-${number}`, "data-place": place, class: cards.density[place] ? "" : "silent" },
      make("span", { class: "number" }, String(number)),
      make("span", { class: "words", dir: "auto" }, briefly(cards.description[place])),
      make("span", { class: "rate" }, rate),
    ),
  );
}

/** The list, its search and its order; `current()` gives the place of the open card. */
function startList(cards, current) {
  const list = document.getElementById("list");
  const query = document.getElementById("query");
  const order = document.getElementById("order");
  const found = document.getElementById("found");
  const state = { places: [], drawn: 0, seed: Math.random() };

  function draw() {
    const next = state.places.slice(state.drawn, state.drawn + ROWS_AT_ONCE);
    list.append(...next.map((place) => listRow(cards, place, order.value)));
    state.drawn += next.length;
    mark();
  }

  function mark() {
    list.querySelector("[aria-current]")?.removeAttribute("aria-current");
    list.querySelector(`[data-place="${current()}"]`)?.setAttribute("aria-current", "true");
  }

  function renew() {
    state.places = arrange(cards, query.value, order.value, state.seed);
    state.drawn = 0;
    list.replaceChildren();
    list.scrollTop = 0;
    const [some, all] = [state.places.length, cards.count].map((count) => count.toLocaleString("en"));
    found.textContent = some === all ? `${all} features` : `${some} of ${all} features`;
    if (!state.places.length) found.textContent = "No feature goes with all of these words.";
    remember("query", query.value);
    remember("order", order.value);
    draw();
  }

  /** Draw rows until that place has one, and bring it into sight within the list. */
  function reveal(place) {
    while (state.drawn < state.places.length && !state.places.slice(0, state.drawn).includes(place)) draw();
    mark();
    const row = list.querySelector("[aria-current]");
    if (!row) return;
    const [top, bottom] = [row.offsetTop - list.offsetTop, row.offsetTop - list.offsetTop + row.offsetHeight];
    if (top < list.scrollTop || bottom > list.scrollTop + list.clientHeight) list.scrollTop = top - 60;
  }

  query.value = recalled("query");
  if (recalled("order")) order.value = recalled("order");
  query.addEventListener("input", renew);
  order.addEventListener("change", () => {
    state.seed = Math.random();
    renew();
  });
  query.form.addEventListener("submit", (event) => {
    event.preventDefault();
    list.querySelector("a")?.click();
  });
  followRows(list, draw);
  renew();
  return { mark, reveal, places: () => state.places };
}
