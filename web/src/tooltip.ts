// One tooltip for everything that has data-tip: under a mouse, at a tap, or where the keyboard is. Inside an element
// with data-walk that has the focus, left and right go from one such thing to the next.

export function startTooltips(tip: HTMLElement): () => void {
  const tipped = (event: Event) => (event.target instanceof Element ? event.target.closest<HTMLElement>("[data-tip]") : null);
  const walked = (event: Event) => (event.target instanceof Element ? event.target.closest<HTMLElement>("[data-walk]") : null);

  // What the keyboard shows does not vanish because the page moved under the mouse.
  let byKeyboard = false;

  function hide(): void {
    tip.hidden = true;
    byKeyboard = false;
  }

  function show(element: Element): void {
    tip.textContent = element.getAttribute("data-tip");
    tip.hidden = false;
    const box = element.getBoundingClientRect();
    const above = box.top - tip.offsetHeight - 7;
    const widest = document.documentElement.clientWidth - tip.offsetWidth - 8;
    const left = Math.max(8, Math.min(box.left + box.width / 2 - tip.offsetWidth / 2, widest));
    tip.style.left = `${scrollX + left}px`;
    tip.style.top = `${scrollY + (above > 60 ? above : box.bottom + 7)}px`;
  }

  function point(walk: Element, to: Element | null): void {
    walk.querySelector(".pointed")?.classList.remove("pointed");
    to?.classList.add("pointed");
    byKeyboard = to !== null;
    if (to) show(to);
  }

  function pointed(event: Event): void {
    const element = tipped(event);
    if (element) {
      byKeyboard = false;
      show(element);
    } else if (event.type === "click" || !byKeyboard) hide();
  }

  function focused(event: FocusEvent): void {
    const walk = walked(event);
    const tips = walk?.querySelector("[data-tip]");
    if (walk && tips) point(walk, walk.querySelector("[data-tip].most") ?? tips);
    else if (event.target instanceof Element && event.target.hasAttribute("data-tip")) show(event.target);
  }

  function left(event: FocusEvent): void {
    const walk = walked(event);
    if (walk) point(walk, null);
    hide();
  }

  function pressed(event: KeyboardEvent): void {
    if (event.key === "Escape") hide();
    const walk = walked(event);
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!walk || !step || event.target !== walk) return;
    const all = Array.from(walk.querySelectorAll("[data-tip]"));
    if (!all.length) return;
    event.preventDefault();
    event.stopPropagation();
    const now = all.findIndex((each) => each.classList.contains("pointed"));
    point(walk, all[(now + step + all.length) % all.length] ?? null);
  }

  const stop = new AbortController();
  const { signal } = stop;
  document.addEventListener("pointerover", pointed, { signal });
  document.addEventListener("click", pointed, { signal });
  document.addEventListener("focusin", focused, { signal });
  document.addEventListener("focusout", left, { signal });
  document.addEventListener("keydown", pressed, { signal, capture: true });
  return () => stop.abort();
}
