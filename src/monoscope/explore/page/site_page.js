// Starts the exported page: #/feature/412 opens a card, #/search/bridge a search.

const TYPING_PAUSE = 160;
const TRIES = 8;
const UNNAMED = "…";

// Kinds of examples that stay in the record, as they do in the report: the intervals show the whole range.
const LEFT_OUT = /^(random|quantile)/;

/** A record as the card is drawn from it. */
function cardOf(record) {
  const { edges, counts } = record.histogram;
  const voted = (rows) => rows.map(([text, nats]) => ({ text, nats }));
  const effects = new Map(
    (record.effects ?? []).map(({ position, next, loss, promoted, suppressed }) => [
      position,
      { next, losses: loss, promoted: voted(promoted), suppressed: voted(suppressed) },
    ]),
  );
  return {
    ...record,
    active: record.n_active,
    mean: record.mean_activation,
    largest: record.max_activation,
    histogram: { span: edges.length ? [edges[0], edges.at(-1)] : [], counts },
    descriptions: record.descriptions ?? [],
    patterns: record.patterns ?? [],
    examples: record.examples
      .filter((example) => !LEFT_OUT.test(example.kind))
      .map((example) => ({
        ...example,
        peakAt: example.position - example.start,
        effect: effects.get(example.position) ?? null,
      })),
  };
}

/** What the address asks for, if anything; links of the card have the form `#feature-412`. */
function route() {
  if (["", "#/"].includes(location.hash)) return { search: "" };
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

/** Say what is wrong in the place of the card. */
function complain(...words) {
  const article = document.getElementById("card");
  delete article.dataset.feature;
  article.replaceChildren(make("p", { class: "problem" }, words));
}

/** Facts and the layout of the data; null, and a word about it, where they cannot be had. */
async function siteContent() {
  if (location.protocol === "file:") {
    complain(
      "This page reads its data piece by piece, which browsers allow from a server only: run ",
      make("code", {}, "python -m http.server --bind 127.0.0.1"), " in its folder, and open http://127.0.0.1:8000/.",
    );
    return null;
  }
  if (!("DecompressionStream" in window)) {
    complain("This browser is too old to unpack the cards; any of the last three years can.");
    return null;
  }
  try {
    const response = await fetch("manifest.json", { cache: "no-cache" });
    if (!response.ok) throw new Error(`The server answers ${response.status} for manifest.json.`);
    return (await response.json()).content;
  } catch (error) {
    complain(error.message);
    return null;
  }
}

/** The card: `open(feature)`, and `feature()`, the number of the one that is open. */
function startCard(nFeatures, cards, rows, step) {
  const article = document.getElementById("card");
  let now = -1;

  async function open(feature) {
    now = feature;
    try {
      if (feature >= nFeatures) throw new Error(`There is no feature ${feature}: they go up to ${nFeatures - 1}.`);
      const card = cardOf(await cards.record(feature));
      if (now !== feature) return;
      naming.disconnect();
      drawCard(article, card, () => UNNAMED, step);
      article.querySelectorAll(".related a").forEach((link) => naming.observe(link));
      article.dataset.feature = feature;
      document.title = `Feature ${feature} · ${document.querySelector("h1").textContent}`;
    } catch (error) {
      if (now === feature) complain(error.message);
    }
  }

  /** On a phone the card is below the list. */
  function bring(behavior) {
    const phone = matchMedia("(max-width: 56rem)").matches;
    if (phone || article.getBoundingClientRect().top < 0) article.scrollIntoView({ block: "start", behavior });
  }

  /** A related feature is named when its line comes into sight: its row is not read before. */
  const naming = new IntersectionObserver((seen) => {
    for (const { target, isIntersecting } of seen) {
      if (!isIntersecting) continue;
      naming.unobserve(target);
      name(target);
    }
  });

  async function name(link) {
    const feature = Number(link.dataset.feature);
    const row = await rows.row(feature).catch(() => null);
    if (row) link.querySelector(".words").textContent = briefly(row.description);
  }

  return { open, bring, feature: () => now };
}

/** What the line above the list says of a search. */
function toldOf({ features, ignored, cut }, nFeatures) {
  const quoted = (each) => each.map((word) => `“${word}”`).join(", ");
  const [some, all] = [features.length, nFeatures].map((count) => count.toLocaleString("en"));
  return [
    features.length ? `${some} of ${all} features` : "",
    features.length || ignored.length ? "" : "No feature goes with all of these words",
    ignored.length ? `${quoted(ignored)}: in too many features to search by` : "",
    cut.length ? `many words begin with ${quoted(cut)}: another letter finds the rest` : "",
  ].filter(Boolean).join("; ");
}

/** Search and order: `show(text)` lists what goes with a text, or, without one, the order that is chosen. */
function startSearch(nFeatures, words, rows, list) {
  const [query, order, found] = ["query", "order", "found"].map((name) => document.getElementById(name));
  let [asked, typing] = [null, 0];

  async function show(text) {
    asked = text;
    try {
      if (!text.trim()) {
        const source = rows.ordered(order.value);
        const [some, all] = [source.length, nFeatures].map((count) => count.toLocaleString("en"));
        found.textContent = some === all ? `${all} features` : `The first ${some} of ${all} features`;
        await list.show(source, order.value);
        return;
      }
      found.textContent = "Searching …";
      const answer = await words.find(text);
      if (asked !== text) return;
      found.textContent = toldOf(answer, nFeatures);
      await list.show(rows.found(answer.features), "best");
    } catch (error) {
      if (asked === text) found.textContent = error.message;
    }
  }

  /** Search for what the address asks for, unless that is shown. */
  async function follow(text) {
    if (text === asked) return;
    query.value = text;
    await show(text);
  }

  /** Search for what is typed, and put it into the address: in the place of what was typed before. */
  async function typed() {
    clearTimeout(typing);
    const hash = query.value.trim() ? `#/search/${encodeURIComponent(query.value)}` : "#/";
    if (location.hash !== hash) history[route().search ? "replaceState" : "pushState"](null, "", hash);
    if (asked !== query.value) await show(query.value);
  }

  query.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(typed, TYPING_PAUSE);
  });
  query.form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (asked !== query.value) await typed();
    if (list.rows().length) location.hash = `/feature/${list.rows()[0].feature}`;
  });
  order.addEventListener("change", () => {
    query.value = "";
    asked = null;
    typed();
  });
  return { follow };
}

/** A feature at random, one that fires if a few tries find one. */
async function surprise(nFeatures, rows) {
  for (let tries = 1; ; tries += 1) {
    const { feature, density } = await rows.row(Math.floor(Math.random() * nFeatures));
    if (density || tries === TRIES) return feature;
  }
}

function startKeys(step) {
  document.addEventListener("keydown", (event) => {
    const elsewhere = event.target.closest("input, select, textarea, .text");
    if (elsewhere || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") {
      event.preventDefault();
      document.getElementById("query").focus();
    }
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by) step(by);
  });
}

async function startSite() {
  const content = await siteContent();
  if (!content) {
    document.getElementById("browser").classList.add("alone");
    return;
  }
  const nFeatures = content.n_features;
  const host = openHost(content.version);
  const rows = openRows(openRecords(host, "rows", content.rows), content.rows);
  const words = openWords(openRecords(host, "words", content.words), content.words, nFeatures);
  const card = startCard(nFeatures, openRecords(host, "cards", content.cards), rows, step);
  const list = startSiteList(document.getElementById("list"), card.feature);
  const search = startSearch(nFeatures, words, rows, list);
  const go = (feature) => { location.hash = `/feature/${feature}`; };

  /** One further in the list, or, where the list does not have the open feature, by number. */
  async function step(by) {
    const place = list.rows().findIndex((row) => row.feature === card.feature());
    if (place >= 0 && place + by >= list.rows().length) await list.draw();
    const all = list.rows();
    if (place < 0) go((card.feature() + by + nFeatures) % nFeatures);
    else go(all[(place + by + all.length) % all.length].feature);
  }

  async function open(feature) {
    const opened = card.open(feature);
    list.mark();
    await opened;
  }

  async function follow() {
    const { feature, search: text } = route();
    if (text !== undefined) await search.follow(text);
    if (feature === undefined) return;
    if (location.hash.startsWith("#f")) history.replaceState(null, "", `#/feature/${feature}`);
    await open(feature);
    card.bring("auto");
  }

  document.getElementById("surprise").addEventListener("click", () => {
    surprise(nFeatures, rows).then(go, (error) => complain(error.message));
  });
  startKeys(step);
  window.addEventListener("hashchange", follow);
  const { feature, search: text = "" } = route();
  const listed = search.follow(text);
  if (feature !== undefined) await open(feature);
  await listed;
  if (feature !== undefined) card.bring("instant");
  else if (list.rows().length) await open(list.rows()[0].feature);
  else document.getElementById("card").append(make("p", { class: "soft" }, "A feature from the list opens here."));
}

startSite();
