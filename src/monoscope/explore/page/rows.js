/* A long list: more rows are drawn when its end comes near, and arrow keys go from row to row. */

function followRows(list, draw) {
  list.addEventListener("scroll", () => {
    if (list.scrollTop + list.clientHeight > list.scrollHeight - 600) draw();
  });
  list.addEventListener("keydown", (event) => {
    const row = event.target.closest("li");
    const to = { ArrowDown: row?.nextElementSibling, ArrowUp: row?.previousElementSibling }[event.key];
    if (!to) return;
    event.preventDefault();
    to.firstElementChild.focus();
  });
}
