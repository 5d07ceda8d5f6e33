"use strict";
// Tables whose heads sort them: numbers the highest first, words by the alphabet; a second time the other way.
function worth(row, column) {
  let at = 0;
  for (const cell of row.cells) {
    at += cell.colSpan;
    if (at > column) {
      const text = cell.dataset.value ?? cell.textContent.trim();
      const number = parseFloat(text);
      return Number.isNaN(number) ? text : number;
    }
  }
  return "";
}
function order(a, b) {
  if (typeof a === "number" && typeof b === "number") return b - a;
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return String(a).localeCompare(String(b));
}
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.setAttribute("aria-label", "Sort by " + head.textContent.trim());
    head.append(button);
    button.addEventListener("click", () => {
      const body = table.tBodies[0];
      const rows = [...body.rows].map(row => [worth(row, column), row]);
      const first = rows.some(pair => typeof pair[0] === "number") ? "descending" : "ascending";
      const second = first === "ascending" ? "descending" : "ascending";
      const isTurned = head.getAttribute("aria-sort") === first;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", isTurned ? second : first);
      rows.sort((a, b) => (isTurned ? -1 : 1) * order(a[0], b[0]));
      body.append(...rows.map(pair => pair[1]));
    });
  });
}
// Thumbnails that play their clip in their place; Escape brings the thumbnail back.
function play(link) {
  const isSound = link.dataset.kind === "sound";
  const player = document.createElement(isSound ? "audio" : "video");
  player.controls = true;
  player.autoplay = true;
  player.className = "player";
  player.setAttribute("aria-label", link.getAttribute("aria-label"));
  const stop = () => { player.remove(); link.hidden = false; };
  for (const other of document.querySelectorAll(".player")) other.pause();
  player.addEventListener("keydown", event => {
    if (event.key === "Escape") { stop(); link.focus(); }
  });
  player.addEventListener("error", () => {
    stop();
    if (link.nextElementSibling?.className === "lost") return;
    const lost = document.createElement("span");
    lost.className = "lost";
    lost.setAttribute("role", "status");
    lost.textContent = "This browser cannot reach or play the clip.";
    link.after(lost);
  });
  player.src = link.href;
  link.hidden = !isSound;
  link.after(player);
  player.focus();
}
// The name of a mark of the map, for fingers too.
for (const map of document.querySelectorAll(".map")) {
  const name = event => {
    const title = event.target.querySelector?.(":scope > title");
    if (title) document.getElementById("named").textContent = title.textContent;
  };
  map.addEventListener("pointerover", name);
  map.addEventListener("click", name);
}
document.addEventListener("click", event => {
  const link = event.target.closest("a.thumb");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  if (link.nextElementSibling?.classList.contains("player")) link.nextElementSibling.play();
  else play(link);
});
