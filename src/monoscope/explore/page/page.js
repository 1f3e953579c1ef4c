// Starts the page: what is open, what is sorted, light or dark.

/** Keep a choice while the page renews itself; where a browser keeps nothing, nothing is kept. */
function remember(name, value) {
  try {
    sessionStorage.setItem(`monoscope ${name}`, value);
  } catch {
    // Storage is refused to some pages opened from a file: the choice lasts as long as the page.
  }
}

function recalled(name) {
  try {
    return sessionStorage.getItem(`monoscope ${name}`) ?? "";
  } catch {
    return "";
  }
}

/** The feature that the address asks for, or null. */
function asked() {
  const found = /^#feature-(\d+)$/.exec(location.hash);
  return found ? Number(found[1]) : null;
}

async function startBrowser() {
  const template = document.getElementById("cards");
  if (!template) return;
  const article = document.getElementById("card");
  const browser = document.getElementById("browser");
  if (!("DecompressionStream" in window)) {
    article.textContent = "This browser is too old to unpack the cards; any of the last three years can.";
    return;
  }
  const cards = await openCards(template);
  let place = -1;
  const list = startList(cards, () => place);
  const names = (feature) => cards.description[cards.places.get(feature)] ?? "not on this page";

  async function open(feature) {
    const wanted = cards.places.get(feature);
    if (wanted === undefined) {
      article.textContent = `There is no card of feature ${feature} on this page.`;
      return;
    }
    place = wanted;
    const card = await cards.card(wanted);
    if (place !== wanted) return;
    drawCard(article, card, names, step);
    article.dataset.feature = feature;
    if (asked() === null) list.mark();
    else list.reveal(wanted);
  }

  function step(by) {
    const places = list.places();
    const now = places.indexOf(place);
    const next = places[now < 0 ? 0 : (now + by + places.length) % places.length];
    if (next !== undefined) location.hash = `feature-${cards.feature[next]}`;
  }

  /** Open what the address asks for; `behavior` is how the page scrolls there. */
  async function follow(behavior) {
    if (asked() === null) return;
    await open(asked());
    const phone = matchMedia("(max-width: 56rem)").matches;
    (phone ? article : browser).scrollIntoView({ block: "start", behavior });
  }

  function inSight() {
    const { top, bottom } = browser.getBoundingClientRect();
    return top < innerHeight && bottom > 0;
  }

  document.getElementById("surprise").addEventListener("click", () => {
    const alive = list.places().filter((each) => cards.density[each] && each !== place);
    const chosen = alive[Math.floor(Math.random() * alive.length)];
    if (chosen !== undefined) location.hash = `feature-${cards.feature[chosen]}`;
  });
  document.addEventListener("keydown", (event) => {
    const elsewhere = event.target.closest("input, select, textarea, .scroll, .text");
    if (elsewhere || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") {
      event.preventDefault();
      document.getElementById("query").focus();
    }
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by && inSight()) step(by);
  });
  window.addEventListener("hashchange", () => follow("auto"));
  const first = Number(article.dataset.feature ?? cards.feature[list.places()[0]]);
  const wanted = asked() ?? (cards.places.has(first) ? first : cards.feature[0]);
  if (asked() === null || recalled("scroll")) await open(wanted);
  else await follow("instant");
}

/** Clicking a column's name sorts by it: largest first, then smallest, then the other way round again. */
function startSorting(table) {
  const heads = Array.from(table.tHead.rows[0].cells);
  const body = table.tBodies[0];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const numeric = column > 0;
      const down = head.ariaSort === "none" ? numeric : head.ariaSort === "ascending";
      for (const each of heads) each.ariaSort = "none";
      head.ariaSort = down ? "descending" : "ascending";
      const value = (row) => row.cells[column].dataset.sort;
      const missing = (row) => Number(value(row) === "");
      const compare = (a, b) => (numeric ? value(a) - value(b) : value(a).localeCompare(value(b)));
      const turned = down ? -1 : 1;
      body.append(
        ...Array.from(body.rows).sort((a, b) => missing(a) - missing(b) || turned * compare(a, b)),
      );
    });
  });
}

/** Light, dark, or as the machine is. */
function startTheme() {
  const button = document.getElementById("theme");
  const next = { "": "dark", dark: "light", light: "" };
  const show = (theme) => {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    button.textContent = { "": "◐ Auto", dark: "● Dark", light: "○ Light" }[theme];
    button.setAttribute("aria-label", `Colours: ${theme || "as the machine is"}`);
    remember("theme", theme);
  };
  button.addEventListener("click", () => show(next[document.documentElement.dataset.theme ?? ""]));
  button.hidden = false;
  show(recalled("theme"));
}

/** Load an incomplete page again, but not while somebody types; then go back to where the reader was. */
function startRenewal() {
  const seconds = Number(document.getElementById("progress")?.dataset.renewed);
  if (recalled("scroll")) scrollTo({ top: Number(recalled("scroll")), behavior: "instant" });
  remember("scroll", "");
  if (!seconds) return;
  setInterval(() => {
    if (document.activeElement.matches("input, select")) return;
    remember("scroll", String(scrollY));
    location.reload();
  }, seconds * 1000);
}

startTheme();
startTooltips();
document.querySelectorAll("table.sortable").forEach(startSorting);
startBrowser().then(startRenewal);
