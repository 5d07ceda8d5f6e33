"use strict";
// How clips are shown, played and reached by keys. Names of clips only ever become text.

const $ = (id) => document.getElementById(id);

function cardOf(clip, source) {
  const card = $("card").content.firstElementChild.cloneNode(true);
  const fill = (name, text) => {
    card.querySelector(`.${name}`).textContent = text;
    const row = card.querySelector(`.of-${name}`);
    if (row) row.hidden = text === "";
  };
  fill("rank", clip.rank ? `${clip.rank}.` : "");
  fill("name", clip.name);
  fill("label", clip.label);
  fill("split", clip.split);
  fill("time", clip.end > 0 ? `${clip.start.toFixed(1)} to ${clip.end.toFixed(1)} s` : "");
  fill("score", clip.score === undefined ? "" : clip.score.toFixed(3));
  mark(card, clip);
  card.querySelector(".screen").append(playerOf(clip, source));
  card.querySelector(".by-sound").addEventListener("click", () => askClip(clip, "audio"));
  card.querySelector(".by-pictures").addEventListener("click", () => askClip(clip, "visual"));
  card.clip = clip;
  return card;
}

function mark(card, clip) {
  const [text, name] = clip.is_query ? ["● the query itself", "is-query"]
    : clip.is_right === true ? ["✓ right", "is-right"]
    : clip.is_right === false ? ["✗ wrong", "is-wrong"] : ["", ""];
  if (!text) return;
  const line = card.querySelector(".mark");
  line.hidden = false;
  line.textContent = text;
  card.classList.add(name);
}

function playerOf(clip, source) {
  if (!clip.has_file) return note("This clip has no file: its features were imported.");
  const url = source ? source.url : `/media?id=${encodeURIComponent(clip.id)}`;
  if (source && source.type.startsWith("image/")) return imageOf(url);
  const is_sound = source ? source.type.startsWith("audio/") : /\.(wav|mp3|flac|m4a|ogg|opus|aac)$/i.test(clip.id);
  const player = document.createElement(is_sound ? "audio" : "video");
  player.controls = true;
  player.preload = "metadata";
  player.playsInline = true;
  player.setAttribute("aria-label", clip.name);
  player.src = url + (clip.end > 0 ? `#t=${clip.start},${clip.end}` : `#t=${clip.start}`);
  player.addEventListener("play", () => pauseOthers(player));
  player.addEventListener("error", () => showLoss(player, url));
  return player;
}

function imageOf(url) {
  const image = document.createElement("img");
  image.src = url;
  image.alt = "the picture that was sent";
  return image;
}

async function showLoss(player, url) { // why a file does not play: gone, or of a kind that this browser does not know
  const cannot = note("This browser cannot play the file. ");
  if (url.startsWith("blob:")) {
    player.replaceWith(cannot);
    return;
  }
  const response = await fetch(url, { headers: { Range: "bytes=0-0" } }).catch(() => null);
  if (response && response.ok) {
    const link = document.createElement("a");
    link.href = url;
    link.download = "";
    link.textContent = "Save it";
    cannot.append(link);
    player.replaceWith(cannot);
    return;
  }
  const content = response ? await response.json().catch(() => ({})) : {};
  player.replaceWith(note(content.error || "The file cannot be reached."));
}

function note(text) {
  const line = document.createElement("p");
  line.textContent = text;
  return line;
}

function pauseOthers(player) {
  for (const other of document.querySelectorAll("video, audio")) if (other !== player) other.pause();
}

// ---- keys

function firstInOrder(grid) { // one clip of each list is in the order of Tab; arrows move on
  grid.querySelectorAll(".card").forEach((card, number) => { card.tabIndex = number ? -1 : 0; });
}

function move(card, key) {
  const cards = [...card.parentElement.children];
  const columns = cards.filter((other) => other.offsetTop === cards[0].offsetTop).length;
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -Infinity, End: Infinity }[key];
  const wanted = Math.max(0, Math.min(cards.length - 1, cards.indexOf(card) + step));
  card.tabIndex = -1;
  cards[wanted].tabIndex = 0;
  cards[wanted].focus();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target;
  if (event.key === "/" && !target.matches("input, textarea")) {
    event.preventDefault();
    $("text").focus();
    $("text").select();
  } else if (target.matches(".grid > .card")) {
    onCardKey(event, target);
  }
}

function onCardKey(event, card) {
  if (/^(Arrow|Home$|End$)/.test(event.key)) move(card, event.key);
  else if (event.key === "Enter") toggle(card.querySelector("video, audio"));
  else if (event.key === "s") askClip(card.clip, "audio");
  else if (event.key === "p") askClip(card.clip, "visual");
  else return;
  event.preventDefault();
}

function toggle(player) {
  if (!player) return;
  if (player.paused) player.play().catch(() => {});
  else player.pause();
}
