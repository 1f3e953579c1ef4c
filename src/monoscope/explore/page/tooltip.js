// One tooltip for everything that has data-tip: under a mouse, at a tap, or where the keyboard is.

/** Show what `element` says, above it or, at the top of the window, below. */
function showTip(element) {
  const tip = document.getElementById("tip");
  tip.textContent = element.dataset.tip;
  tip.hidden = false;
  const box = element.getBoundingClientRect();
  const left = box.left + box.width / 2 - tip.offsetWidth / 2;
  const above = box.top - tip.offsetHeight - 7;
  const widest = document.documentElement.clientWidth - tip.offsetWidth - 8;
  tip.style.left = `${scrollX + Math.max(8, Math.min(left, widest))}px`;
  tip.style.top = `${scrollY + (above > 48 ? above : box.bottom + 7)}px`;
}

function hideTip() {
  document.getElementById("tip").hidden = true;
}

/** Left and right move along the active tokens of an example that has the focus. */
function walkTokens(event) {
  const text = event.target.closest?.(".examples .text");
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!text || !step) return;
  const active = Array.from(text.querySelectorAll("[data-tip]"));
  if (!active.length) return;
  event.preventDefault();
  event.stopPropagation();
  const now = active.findIndex((token) => token.classList.contains("pointed"));
  const next = active[(now + step + active.length) % active.length];
  point(text, next);
}

/** Mark the token that the keyboard is at. */
function point(text, token) {
  text.querySelector(".pointed")?.classList.remove("pointed");
  token?.classList.add("pointed");
  if (token) showTip(token);
}

function startTooltips() {
  const told = (event) => event.target.closest?.("[data-tip]");
  for (const kind of ["pointerover", "click"]) {
    document.addEventListener(kind, (event) => (told(event) ? showTip(told(event)) : hideTip()));
  }
  document.addEventListener("focusin", (event) => {
    const text = event.target.closest(".examples .text");
    if (text) point(text, text.querySelector(".most"));
    else if (event.target.dataset.tip) showTip(event.target);
  });
  document.addEventListener("focusout", (event) => {
    const text = event.target.closest(".examples .text");
    if (text) point(text, null);
    hideTip();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hideTip();
    walkTokens(event);
  });
}
