"use strict";
// What the page does: asks the server, lists the archive, records. cards.js shows the clips, track.js chooses tracks.

const bounds = { bytes: Number(document.body.dataset.bytes), seconds: Number(document.body.dataset.seconds) };
const listed = Number(document.body.dataset.listed);
const RECORD_SECONDS = Math.min(10, bounds.seconds);
let last = null; // what was asked, to ask it again with other filters
let running = null; // of the question that is on its way
let blobUrl = null;
let place = 0; // of the archive's first clip on the page

// ---- asking

function filters() {
  return Object.fromEntries([...new FormData($("filters"))].filter(([, value]) => value !== ""));
}

function query(values) {
  return new URLSearchParams(Object.entries(values).filter(([, value]) => value !== undefined && value !== "")).toString();
}

async function answerOf(url, options) {
  const response = await fetch(url, options);
  const content = await response.json().catch(() => ({ error: `the server answered ${response.status}` }));
  if (!response.ok) throw new Error(content.error || `the server answered ${response.status}`);
  return content;
}

async function ask(question) {
  last = question;
  if (running) running.abort();
  const mine = (running = new AbortController());
  say("");
  hearTrack($("query"), null);
  $("status").textContent = question.track ? "The track is being taken out of the sound…"
    : question.file ? "The file is being heard and looked at…" : "Searching…";
  $("results").setAttribute("aria-busy", "true");
  try {
    const answer = await answerOf(...request(question, mine.signal));
    if (mine === running) showAnswer(answer);
  } catch (error) {
    if (mine !== running) return;
    $("results").replaceChildren();
    $("status").textContent = "No results.";
    say(error instanceof TypeError ? "The server cannot be reached, or ended the connection." : error.message);
  } finally {
    if (mine === running) $("results").removeAttribute("aria-busy");
  }
}

function request(question, signal) {
  const chosen = filters();
  if (question.file) {
    const headers = { "Content-Type": "application/octet-stream" };
    return [`/api/search?${query({ ...chosen, track: question.track })}`, { method: "POST", body: question.file, headers, signal }];
  }
  const wanted = { ...chosen, ...(question.side ? { find: question.find, side: question.side } : {}) };
  return [`/api/search?${query({ ...wanted, clip: question.clip.id })}`, { signal }];
}

function askFile(file, name) {
  if (file.size > bounds.bytes) {
    say(`${name}: ${(file.size / 1e6).toFixed(1)} MB; expected at most ${(bounds.bytes / 1e6).toFixed(0)} MB`);
    return;
  }
  if (blobUrl) URL.revokeObjectURL(blobUrl);
  blobUrl = URL.createObjectURL(file);
  showQuery({ name, start: 0, end: 0, label: "", split: "", has_file: true }, { url: blobUrl, type: file.type });
  offerTrack($("query"), file, (track) => ask({ file, track }));
  ask({ file });
}

function askClip(clip, side) {
  const find = { audio: "video", visual: "sound" }[side];
  const said = { audio: "its sound finds videos", visual: "its pictures find sounds" }[side];
  showQuery(clip, undefined, said);
  ask({ clip, side, find });
  $("asked").scrollIntoView({ block: "start" });
}

function say(problem) {
  $("problem").hidden = !problem;
  $("problem").textContent = problem;
}

// ---- showing

function showAnswer(answer) {
  const known = answer.results.filter((result) => result.is_right !== null && !result.is_query);
  const right = known.filter((result) => result.is_right).length;
  const by = answer.track ? "By the sound of this track alone: " : "";
  const marks = known.length ? ` ${right} of ${known.length} are right.` : "";
  const count = answer.results.length === 1 ? "1 result" : `${answer.results.length} results`;
  const over = answer.passed_over.map((problem) => ` Passed over: ${problem}.`).join("");
  $("status").textContent =
    `${by}${count} of ${answer.n_rows} rows, model ${answer.model}, ${answer.seconds.toFixed(3)} s.${marks}${over}`;
  $("results").replaceChildren(...answer.results.map((result) => cardOf(result)));
  firstInOrder($("results"));
  if (answer.track) hearTrack($("query"), answer.track);
}

function showQuery(clip, source, said) {
  $("asked").hidden = false;
  const card = cardOf(clip, source);
  if (said) card.querySelector("h3").append(` (${said})`);
  if (source) card.querySelector(".row").remove();
  $("query").replaceChildren(asBlock(card));
}

function asBlock(item) { // a card that is no part of a list
  const block = document.createElement("div");
  block.className = item.className;
  block.append(...item.childNodes);
  return block;
}

// ---- the archive

async function showArchive(start) {
  try {
    const { find, top, ...chosen } = filters();
    const answer = await answerOf(`/api/archive?${query({ ...chosen, text: $("text").value, start })}`);
    place = start;
    const end = start + answer.clips.length;
    $("listed").textContent = answer.n_clips ? `${start + 1} to ${end} of ${answer.n_clips} clips` : "no clip passes";
    $("before").disabled = start === 0;
    $("after").disabled = end >= answer.n_clips;
    $("archive").replaceChildren(...answer.clips.map((clip) => cardOf(clip)));
    firstInOrder($("archive"));
  } catch (error) {
    say(error.message);
  }
}

// ---- the microphone

let recorder = null;

async function record() {
  if (recorder) {
    recorder.stop();
    return;
  }
  try {
    const sound = await navigator.mediaDevices.getUserMedia({ audio: true });
    const parts = [];
    recorder = new MediaRecorder(sound);
    recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
    recorder.addEventListener("stop", () => {
      for (const track of sound.getTracks()) track.stop();
      const type = recorder.mimeType;
      recorder = null;
      recording(false);
      askFile(new Blob(parts, { type }), "your recording");
    });
    recorder.start();
    recording(true);
    const mine = recorder;
    setTimeout(() => { if (recorder === mine) mine.stop(); }, 1000 * RECORD_SECONDS);
  } catch (error) {
    recorder = null;
    recording(false);
    say(`The microphone cannot be used: ${error.message}`);
  }
}

function recording(is_on) {
  $("record").setAttribute("aria-pressed", String(is_on));
  $("record").textContent = is_on ? `Stop (or wait ${RECORD_SECONDS} s)` : "Record a sound";
}

// ---- what starts it

function again() {
  if (last) ask(last);
  showArchive(0);
}

document.addEventListener("keydown", onKey);
$("choose").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => {
  const [file] = $("file").files;
  if (file) askFile(file, file.name);
  $("file").value = "";
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", kind === "dragover");
    const file = kind === "drop" && event.dataTransfer.files[0];
    if (file) askFile(file, file.name);
  });
}
$("record").addEventListener("click", record);
if (!navigator.mediaDevices || !window.MediaRecorder) {
  $("record").disabled = true;
  $("record").title = "Browsers record on localhost and over HTTPS only";
}
$("filters").addEventListener("change", again);
$("filters").addEventListener("submit", (event) => { event.preventDefault(); again(); });
let pause = 0;
$("text").addEventListener("input", () => { clearTimeout(pause); pause = setTimeout(() => showArchive(0), 200); });
$("before").addEventListener("click", () => showArchive(Math.max(0, place - listed)));
$("after").addEventListener("click", () => showArchive(place + listed));
showArchive(0);
