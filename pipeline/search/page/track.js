"use strict";
// One track of a sent video as the query: its box is chosen or drawn, and its sound is played. Needs cards.js.

function offerTrack(place, file, askTrack) { // only where the server has a separator, for what may be a video
  const form = $("track");
  if (!form || /^(image|audio)\//.test(file.type)) return;
  const part = form.content.firstElementChild.cloneNode(true);
  const choice = part.querySelector(".box");
  const button = part.querySelector(".by-track");
  const hint = part.querySelector(".hint");
  const glass = glassOver(place.querySelector(".screen"), () => show());
  const box = () => (choice.value === "drawn" ? glass.drawn() : choice.value);
  const show = () => {
    const is_drawing = choice.value === "drawn";
    glass.show(box(), is_drawing);
    button.disabled = is_drawing && !box();
    hint.textContent = !is_drawing ? "" : box() ? "Drag again for another box." : "Drag over what sounds, in the picture above.";
  };
  choice.addEventListener("change", show);
  button.addEventListener("click", () => askTrack(box()));
  place.querySelector(".card").append(part);
  show();
}

function glassOver(screen, onDrawn) { // lies over the picture of a player, whose bars around it are left out
  const video = screen.querySelector("video");
  const glass = document.createElement("div");
  const mark = document.createElement("div");
  glass.className = "glass";
  mark.className = "box-mark";
  glass.append(mark);
  screen.append(glass);
  let first = null;
  let corners = null; // left, top, right, bottom, as fractions of the picture
  const lay = () => {
    if (!video || !video.videoWidth) return;
    const scale = Math.min(video.clientWidth / video.videoWidth, video.clientHeight / video.videoHeight);
    const [width, height] = [video.videoWidth * scale, video.videoHeight * scale];
    const left = video.offsetLeft + (video.clientWidth - width) / 2;
    const top = video.offsetTop + (video.clientHeight - height) / 2;
    for (const [name, pixels] of Object.entries({ left, top, width, height })) glass.style[name] = `${pixels}px`;
  };
  const fraction = (pixels, size) => Math.min(1, Math.max(0, pixels / size));
  const point = (event) => {
    const area = glass.getBoundingClientRect();
    return [fraction(event.clientX - area.left, area.width), fraction(event.clientY - area.top, area.height)];
  };
  const drag = (event) => {
    if (!first) return;
    const [x, y] = point(event);
    const [left, right] = [first[0], x].sort((a, b) => a - b);
    const [top, bottom] = [first[1], y].sort((a, b) => a - b);
    corners = right - left > 0.01 && bottom - top > 0.01 ? [left, top, right, bottom] : null;
    onDrawn();
  };
  glass.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    glass.setPointerCapture(event.pointerId);
    first = point(event);
  });
  glass.addEventListener("pointermove", drag);
  glass.addEventListener("pointerup", (event) => { drag(event); first = null; });
  glass.addEventListener("pointercancel", () => { first = null; });
  if (video) {
    video.addEventListener("loadedmetadata", lay);
    new ResizeObserver(lay).observe(video);
  }
  return {
    drawn: () => (corners ? corners.map((number) => number.toFixed(4)).join() : ""),
    show: (box, is_drawing) => {
      lay();
      glass.hidden = !box && !is_drawing;
      glass.classList.toggle("drawing", is_drawing);
      if (video) video.controls = !is_drawing; // a drag over them would move the player's time
      mark.hidden = !box;
      const [left, top, right, bottom] = box.split(",").map((number) => 100 * Number(number));
      const sides = { left, top, width: right - left, height: bottom - top };
      for (const [name, percent] of Object.entries(box ? sides : {})) mark.style[name] = `${percent}%`;
    },
  };
}

let trackUrl = null;

function hearTrack(place, track) { // the sound that was the query; null: there is none yet
  const heard = place.querySelector(".heard");
  if (!heard) return;
  if (trackUrl) URL.revokeObjectURL(trackUrl);
  trackUrl = null;
  heard.hidden = !track;
  heard.replaceChildren();
  if (!track) return;
  const bytes = Uint8Array.from(atob(track.wav), (letter) => letter.charCodeAt(0));
  trackUrl = URL.createObjectURL(new Blob([bytes], { type: "audio/wav" }));
  const player = document.createElement("audio");
  player.controls = true;
  player.setAttribute("aria-label", "the sound of this track alone");
  player.src = trackUrl;
  player.addEventListener("play", () => pauseOthers(player));
  heard.append(note("The query was the sound of this track alone:"), player, ...track.warnings.map(note));
}
