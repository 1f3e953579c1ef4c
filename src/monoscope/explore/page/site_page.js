// Starts the exported page: #/feature/412 opens a card, #/search/bridge a search.

const TYPING_PAUSE = 160;
const TRIES = 8;

/** A record as the card is drawn from it. */
function cardOf(record) {
  const { edges, counts } = record.histogram;
  return {
    ...record,
    active: record.n_active,
    mean: record.mean_activation,
    largest: record.max_activation,
    histogram: { span: edges.length ? [edges[0], edges.at(-1)] : [], counts },
    examples: record.examples.map((example) => ({ ...example, peakAt: example.position - example.start })),
  };
}

/** What the address asks for; links of the card have the form `#feature-412`. */
function route() {
  const feature = /^#(?:\/feature\/|feature-)(\d+)$/.exec(location.hash);
  if (feature) return { feature: Number(feature[1]) };
  const search = /^#\/search\/(.*)$/.exec(location.hash);
  if (!search) return {};
  try {
    return { search: decodeURIComponent(search[1]) };
  } catch {
    return { search: search[1] };
  }
}

async function startSite() {
  const article = document.getElementById("card");
  const [query, order, found] = ["query", "order", "found"].map((name) => document.getElementById(name));
  const say = (...words) => article.replaceChildren(make("p", { class: "problem" }, words));
  const complain = (error) => say(error.message);
  if (location.protocol === "file:") {
    say(
      "This page reads its data piece by piece, which browsers allow from a server only: run ",
      make("code", {}, "python -m http.server"), " in its folder, and open http://localhost:8000/.",
    );
    return;
  }
  if (!("DecompressionStream" in window)) {
    say("This browser is too old to unpack the cards; any of the last three years can.");
    return;
  }
  let content;
  try {
    const response = await fetch("manifest.json", { cache: "no-cache" });
    if (!response.ok) throw new Error(`The server answers ${response.status} for manifest.json.`);
    ({ content } = await response.json());
  } catch (error) {
    complain(error);
    return;
  }
  const host = openHost(content.version);
  const cards = openRecords(host, "cards", content.cards);
  const rows = openRows(openRecords(host, "rows", content.rows), content.rows);
  const words = openWords(openRecords(host, "words", content.words), content.words, content.n_features);
  let [now, typing] = [-1, 0];
  const names = new Map();
  const list = startSiteList(document.getElementById("list"), () => now, complain);

  async function open(feature) {
    if (feature >= content.n_features) {
      now = -1;
      say(`There is no feature ${feature}: they go up to ${content.n_features - 1}.`);
      return;
    }
    now = feature;
    list.mark();
    try {
      const card = cardOf(await cards.record(feature));
      if (now !== feature) return;
      drawCard(article, card, (other) => names.get(other) ?? "…", step);
      article.dataset.feature = feature;
      document.title = `Feature ${feature} · ${document.querySelector("h1").textContent}`;
    } catch (error) {
      if (now === feature) complain(error);
    }
  }

  /** One further in the list, or, where the list does not have the open feature, by number. */
  async function step(by) {
    const place = list.rows().findIndex((row) => row.feature === now);
    if (place >= 0 && place + by >= list.rows().length) await list.draw();
    const all = list.rows();
    const next = place < 0
      ? (now + by + content.n_features) % content.n_features
      : all[(place + by + all.length) % all.length].feature;
    location.hash = `/feature/${next}`;
  }

  async function showOrder() {
    const source = rows.ordered(order.value);
    const [some, all] = [source.length, content.n_features].map((count) => count.toLocaleString("en"));
    found.textContent = some === all ? `${all} features` : `The first ${some} of ${all} features`;
    await list.show(source, order.value);
  }

  let asked = "";
  async function search(text) {
    asked = text;
    if (!text.trim()) {
      await showOrder();
      return;
    }
    found.textContent = "Searching …";
    try {
      const answer = await words.find(text);
      if (asked !== text) return;
      found.textContent = told(answer);
      await list.show(rows.found(answer.features), "best");
    } catch (error) {
      found.textContent = error.message;
    }
  }

  function told({ features, ignored, cut }) {
    const quoted = (each) => each.map((word) => `“${word}”`).join(", ");
    const [some, all] = [features.length, content.n_features].map((count) => count.toLocaleString("en"));
    return [
      features.length ? `${some} of ${all} features` : "",
      features.length || ignored.length ? "" : "No feature goes with all of these words",
      ignored.length ? `${quoted(ignored)}: in too many features to search by` : "",
      cut.length ? `many words begin with ${quoted(cut)}: another letter finds the rest` : "",
    ].filter(Boolean).join("; ");
  }

  async function follow(behavior) {
    const { feature, search: text } = route();
    if (feature !== undefined) {
      if (!location.hash.startsWith("#/")) history.replaceState(null, "", `#/feature/${feature}`);
      await open(feature);
      const phone = matchMedia("(max-width: 56rem)").matches;
      if (phone || article.getBoundingClientRect().top < 0) article.scrollIntoView({ block: "start", behavior });
    } else if ((text ?? "") !== asked) {
      query.value = text ?? "";
      await search(query.value);
    }
  }

  /** Search for what is typed, and put it into the address: in the place of what was typed before. */
  function searchTyped() {
    clearTimeout(typing);
    const hash = query.value.trim() ? `#/search/${encodeURIComponent(query.value)}` : "#/";
    if (location.hash !== hash) history[route().search === undefined ? "pushState" : "replaceState"](null, "", hash);
    return search(query.value);
  }

  query.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(searchTyped, TYPING_PAUSE);
  });
  query.form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (asked !== query.value) await searchTyped();
    if (list.rows().length) location.hash = `/feature/${list.rows()[0].feature}`;
  });
  order.addEventListener("change", () => {
    query.value = "";
    search("");
  });
  document.getElementById("surprise").addEventListener("click", async () => {
    for (let tries = 0; tries < TRIES; tries += 1) {
      const { feature, density } = await rows.row(Math.floor(Math.random() * content.n_features));
      if (density || tries === TRIES - 1) {
        location.hash = `/feature/${feature}`;
        return;
      }
    }
  });
  for (const kind of ["pointerover", "focusin"]) {
    article.addEventListener(kind, async (event) => {
      const chip = event.target.closest("a.chip");
      const feature = Number(chip?.textContent);
      if (!chip || names.has(feature)) return;
      names.set(feature, (await rows.row(feature)).description);
      chip.dataset.tip = chip.dataset.tip.replace("…", names.get(feature));
      if (chip.matches(":hover, :focus")) showTip(chip);
    });
  }
  document.addEventListener("keydown", (event) => {
    const elsewhere = event.target.closest("input, select, textarea, .text");
    if (elsewhere || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") {
      event.preventDefault();
      query.focus();
    }
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by) step(by);
  });
  window.addEventListener("hashchange", () => follow("auto"));
  const first = route();
  query.value = first.search ?? "";
  await search(query.value);
  if (first.feature !== undefined) await follow("instant");
  else if (list.rows().length) await open(list.rows()[0].feature);
}

startSite();
