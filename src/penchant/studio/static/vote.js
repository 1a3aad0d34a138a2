// The voting page: one key, one vote; the next pair is on the screen before the answer has left the machine.

import { Api, Refused } from "./api.js";
import { Clock } from "./clock.js";
import { Looking } from "./looking.js";
import { Outbox } from "./outbox.js";
import { pairOf } from "./pairs.js";
import { say } from "./texts.js";
import { View } from "./view.js";

const AHEAD = 6; // pairs known at a time: one shown, five loaded
const REVEAL_MS = 150; // a key this soon after a pair appeared was meant for the one before
const NOTICE_MS = 6000;
const KEYS = /** @type {const} */ ({
  ArrowLeft: "left", ArrowRight: "right", ArrowDown: "tie", ArrowUp: "both_bad", " ": "skip",
});

/** @typedef {"left" | "right" | "tie" | "both_bad" | "skip"} Choice */

const { csrf = "", run = "" } = document.body.dataset;
const studio = "studio" in document.body.dataset; // a round is followed by the next one
const api = new Api(csrf);
const view = new View();
const clock = new Clock();
const outbox = new Outbox(api, run, { accepted, refused, waiting });
const looking = new Looking(api, view, () => current, (choice) => choose(choice, "touch"));
const help = /** @type {HTMLDialogElement} */ (document.getElementById("help"));

/** @type {import("./pairs.js").Pair[]} */
let ahead = [];
/** @type {import("./pairs.js").Pair | null} */
let current = null;
let answered = new Set(outbox.queries);
/** @type {{votes: number, wanted: number | null, done: boolean, learned: {topic: string, text: string}[]}} */
let progress = { votes: 0, wanted: 1, done: false, learned: [] };
let filling = false;
let fillAgain = false;
let undoing = false;
let past = 0; // undos so far: pairs listed before one are out of date after it
let said = "";

// ------------------------------------------------------------------------------------------------------- answering

/** @param {Choice} choice @param {string} input */
function choose(choice, input) {
  if (current === null || clock.elapsed < REVEAL_MS) return;
  const { query } = current;
  answered.add(query);
  outbox.add("/api/v1/votes", {
    query,
    choice,
    shown_at: clock.shownAt,
    response_ms: Math.max(0, clock.elapsed - clock.hidden),
    hidden_ms: clock.hidden,
    input,
    viewport: `${innerWidth}x${innerHeight}@${Math.round(devicePixelRatio * 100) / 100}`,
  });
  if (choice === "left" || choice === "right") view.mark(choice);
  said = `${say(choice)}. `;
  showNext();
}

function undo() {
  if (undoing || progress.done) return;
  undoing = true;
  past += 1;
  forgetPairs();
  outbox.add("/api/v1/undo");
}

/** @param {import("./outbox.js").Item} item @param {any} answer */
function accepted(item, answer) {
  if (item.path.endsWith("undo")) {
    undoing = false;
    answered = new Set();
    said = `${say(answer.undone ? "undone" : "nothing_to_undo")} `;
  }
  setProgress(answer.progress);
  if (current === null && !progress.done) showNext();
  fill();
}

/** @param {import("./outbox.js").Item} item @param {Refused} error */
function refused(item, error) {
  undoing = false;
  answered.delete(/** @type {any} */ (item.body)?.query); // asked again, unless it was answered elsewhere
  const text = say("not_taken", { why: error.message });
  view.strip(text);
  if (error.status === 403) return;
  setTimeout(() => view.unstrip(text), NOTICE_MS);
  fill();
}

/** @param {Error | null} error */
function waiting(error) {
  if (error === null) return view.strip("");
  const why = error instanceof Refused ? error.message : say("lost");
  view.strip(say(outbox.size === 1 ? "kept_one" : "kept_many", { why, count: outbox.size }));
}

// --------------------------------------------------------------------------------------------------------- showing

function forgetPairs() {
  ahead = [];
  current = null;
  clock.stop();
  view.wait();
}

async function showNext() {
  clock.stop();
  current = null;
  const lastOnesOut = progress.wanted !== null && progress.votes + outbox.size >= progress.wanted;
  const pair = lastOnesOut || undoing ? undefined : ahead.shift();
  if (pair === undefined) return view.wait();
  current = pair;
  if (!pair.ready) {
    view.wait();
    try {
      await pair.loaded;
    } catch {
      if (current === pair) stopped(new Error(say("image_failed")));
      return;
    }
    if (current !== pair) return;
  }
  looking.renew();
  view.show(pair);
  const number = progress.votes + outbox.size + 1;
  const { wanted } = progress;
  view.say(said + (wanted === null ? say("pair_open", { number }) : say("pair", { number, wanted })));
  said = "";
  requestAnimationFrame(() => requestAnimationFrame(() => current === pair && clock.start()));
}

async function fill() {
  fillAgain = filling;
  if (filling || undoing || progress.done) return;
  filling = true;
  const asked = past;
  try {
    const answer = await api.get(`/api/v1/pairs?n=${AHEAD}`);
    if (asked === past) take(answer);
  } catch (error) {
    if (asked === past && current === null) stopped(/** @type {Error} */ (error));
  } finally {
    filling = false;
    if (fillAgain) fill();
  }
}

/** @param {any} answer */
function take(answer) {
  const known = new Set([...answered, current?.query, ...ahead.map((pair) => pair.query)]);
  for (const listed of answer.pairs) if (!known.has(listed.query)) ahead.push(pairOf(listed));
  setProgress(answer.progress);
  if (current === null && !progress.done) showNext();
}

/** @param {typeof progress} now */
function setProgress(now) {
  const finished = now.done && !progress.done;
  progress = now;
  view.progress(now);
  if (finished) studio ? offer() : thank();
}

async function thank() {
  forgetPairs();
  view.strip("");
  view.message("done", say("thanks"), [
    say("all_stored", { wanted: progress.wanted ?? progress.votes }),
    ...progress.learned.map((item) => item.text),
    say("close"),
  ]);
  view.say(say("thanks_said"));
  await api.post("/api/v1/finish", crypto.randomUUID()).catch(() => {}); // the server ends by itself soon
}

/** The round is complete: see what the generator makes of it, or go on. */
function offer() {
  forgetPairs();
  view.strip("");
  const sentences = [...progress.learned.map((item) => item.text), say("round_next")];
  view.message("done", say("round_done"), sentences, () => begin("/api/v1/work/align"), say("align"), () => begin("/api/v1/round/more"));
}

/** @param {string} path */
async function begin(path) {
  try {
    await api.post(path, crypto.randomUUID(), path.endsWith("align") ? {} : undefined);
    if (path.endsWith("align")) location.assign("/runs#begun");
    else fill();
  } catch (error) {
    view.strip(error instanceof Refused ? `${error.message}.` : `${say("lost")}.`);
  }
}

/** @param {Error} error */
function stopped(error) {
  const lost = !(error instanceof Refused);
  const kept = say(outbox.size > 0 ? "waiting_here" : "all_kept");
  forgetPairs();
  view.message(
    "error",
    say(lost ? "lost" : "failed"),
    lost ? [say("no_answer"), kept] : [`${error.message}.`],
    () => {
      view.strip("");
      outbox.flush();
      fill();
    },
  );
}

// ----------------------------------------------------------------------------------------------------------- input

addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  const onButton = event.target instanceof HTMLButtonElement;
  if (event.key === " " && onButton) return; // it presses the button that has the focus
  if (looking.key(event.key)) event.preventDefault();
  else if (event.key in KEYS) {
    event.preventDefault();
    choose(KEYS[/** @type {keyof typeof KEYS} */ (event.key)], "keyboard");
  } else if (event.key.toLowerCase() === "z") undo();
  else if (event.key === "?") help.showModal();
});

addEventListener("click", (event) => {
  const button = /** @type {Element} */ (event.target).closest("button");
  if (button === null) return;
  const pointer = /** @type {PointerEvent} */ (event).pointerType;
  if (pointer) button.blur(); // or the space bar would press it again instead of skipping
  if (button.dataset.choice) choose(/** @type {Choice} */ (button.dataset.choice), pointer || "keyboard");
  else if (button.dataset.like) looking.like(/** @type {"left" | "right"} */ (button.dataset.like));
  else if (button.id === "zoom") looking.zoom();
  else if (button.id === "undo") undo();
  else if (button.id === "help-button") help.showModal();
  else if (button.id === "help-close") help.close();
});

addEventListener("online", () => outbox.flush());

view.wait();
if (outbox.size > 0) outbox.flush();
else fill();
