// Keep or reject, one image after the other: the next one is on the screen before the label has left the machine.

import { Api, Refused } from "./api.js";
import { Outbox } from "./outbox.js";
import { say } from "./texts.js";

const AHEAD = 6;
const REVEAL_MS = 150; // a key this soon after an image appeared was meant for the one before
const NOTICE_MS = 6000;
const SWIPE_PX = 56;

/** @typedef {"keep" | "reject"} Label */
/** @typedef {{name: string, picture: HTMLImageElement, loaded: Promise<void>}} Shown */
/** @typedef {{kept: number, rejected: number, left: number}} Progress */

/** @param {string} id @returns {any} */
const element = (id) => document.getElementById(id);
const { csrf = "", run = "", next = "vote" } = document.body.dataset;
const api = new Api(csrf);
const outbox = new Outbox(api, run, { accepted, refused, waiting });
const help = /** @type {HTMLDialogElement} */ (element("help"));

/** @type {Shown[]} */
let ahead = [];
/** @type {Shown | null} */
let current = null;
/** Labelled here, and perhaps still on the way. @type {Set<string>} */
const labelled = new Set();
/** What Z takes back, the last one last: a label, or an image put off. @type {(Shown | "label")[]} */
const past = [];
/** @type {string | null} the image after which the next ones are asked for */
let after = null;
let shownAt = Infinity;
let filling = false;
let undoing = false;

// ------------------------------------------------------------------------------------------------------- labelling

/** @param {Label} label */
function give(label) {
  if (current === null || undoing || performance.now() - shownAt < REVEAL_MS) return;
  labelled.add(current.name);
  past.push("label");
  outbox.add("/api/v1/labels", { image: current.name, label });
  mark(label === "keep" ? "kept" : "rejected");
  show(say(label === "keep" ? "kept" : "rejected"));
}

function later() {
  if (current === null || undoing || performance.now() - shownAt < REVEAL_MS) return;
  past.push(current);
  show(say("put_off"));
}

function undo() {
  if (undoing) return;
  const last = past.pop();
  if (last !== undefined && last !== "label") return back(last, say("undone"));
  undoing = true;
  outbox.add("/api/v1/labels/undo");
}

/** @param {Shown} image shown again, before the one that is shown now @param {string} said */
function back(image, said) {
  ahead = ahead.filter((one) => one.name !== image.name);
  if (current !== null && current.name !== image.name) ahead.unshift(current);
  ahead.unshift(image);
  show(said);
}

/** @param {import("./outbox.js").Item} item @param {any} answer */
function accepted(item, answer) {
  progress(answer.progress);
  if (item.path.endsWith("undo")) {
    undoing = false;
    if (answer.image === null) return tell(say("nothing_to_undo"));
    labelled.delete(answer.image);
    return back(imageOf(answer.image), say("undone"));
  }
  if (current === null) fill();
}

/** @param {import("./outbox.js").Item} item @param {Refused} error */
function refused(item, error) {
  undoing = false;
  labelled.delete(/** @type {any} */ (item.body)?.image);
  const text = say("not_taken", { why: error.message });
  element("strip").textContent = text;
  setTimeout(() => element("strip").textContent === text && waiting(null), NOTICE_MS);
}

/** @param {Error | null} error */
function waiting(error) {
  if (error === null) return void (element("strip").textContent = "");
  const why = error instanceof Refused ? error.message : say("lost");
  element("strip").textContent = say("waiting", { why, count: outbox.size });
}

// --------------------------------------------------------------------------------------------------------- showing

/** @param {string} name @returns {Shown} */
function imageOf(name) {
  const picture = Object.assign(new Image(), { src: `/label/${name}.png`, alt: "", draggable: false });
  const loaded = picture.decode();
  loaded.catch(() => {}); // whoever shows it hears of it
  return { name, picture, loaded };
}

/** @param {string} [said] about what was done before */
async function show(said = "") {
  shownAt = Infinity;
  const image = ahead.shift() ?? null;
  current = image;
  fill();
  if (image === null) return void element("single").replaceChildren();
  try {
    await image.loaded;
  } catch {
    if (current === image) message("error", say("image_failed"), "", say("try_again"), () => location.reload());
    return;
  }
  if (current !== image) return;
  document.body.dataset.state = "asking";
  element("single").hidden = false;
  element("message").hidden = true;
  element("single").replaceChildren(image.picture);
  tell(`${said} ${say("next")}`.trim());
  requestAnimationFrame(() => requestAnimationFrame(() => current === image && (shownAt = performance.now())));
}

async function fill() {
  if (filling || ahead.length >= AHEAD - 1) return;
  filling = true;
  try {
    const place = after === null ? "" : `&after=${after}`;
    const answer = await api.get(`/api/v1/labels/next?n=${AHEAD}${place}`);
    take(answer.images);
    if (outbox.size === 0) progress(answer.progress);
    if (current === null && ahead.length > 0) show();
    else if (current === null && outbox.size === 0) finish(answer.progress);
  } catch (error) {
    if (current === null) {
      const lost = !(error instanceof Refused);
      const why = lost ? say("no_answer") : `${/** @type {Error} */ (error).message}.`;
      message("error", say(lost ? "lost" : "failed"), why, say("try_again"), () => (outbox.flush(), fill()));
    }
  } finally {
    filling = false;
  }
}

/** @param {string[]} names */
function take(names) {
  const known = new Set([...labelled, current?.name, ...ahead.map((one) => one.name)]);
  const fresh = names.filter((name) => !known.has(name));
  ahead.push(...fresh.map(imageOf));
  if (fresh.length > 0) after = fresh[fresh.length - 1];
}

/** @param {Progress} now */
function progress(now) {
  element("kept").textContent = String(now.kept);
  element("rejected").textContent = String(now.rejected);
  element("done").textContent = String(element("progress").max - now.left);
  element("progress").value = element("progress").max - now.left;
}

/** @param {Progress} now */
function finish(now) {
  const text = say("all_text", { kept: now.kept, rejected: now.rejected });
  message("done", say("all_done"), text, say(`to_${next}`), () => location.assign(`/${next}`));
}

/** @param {string} state @param {string} title @param {string} text @param {string} label @param {() => void} action */
function message(state, title, text, label, action) {
  document.body.dataset.state = state;
  element("single").hidden = true;
  element("message").hidden = false;
  element("message-title").textContent = title;
  element("message-text").textContent = text;
  Object.assign(element("message-action"), { hidden: false, textContent: label, onclick: action });
  element("message-title").focus();
}

/** @param {"kept" | "rejected"} how a line around the image that fades: light for kept, dark for rejected */
function mark(how) {
  element("single").className = "single";
  void element("single").offsetWidth; // so that the same twice fades twice
  element("single").className = `single ${how}`;
}

/** @param {string} text said by screen readers */
function tell(text) {
  element("live").textContent = text;
}

function pixels() {
  const on = document.body.classList.toggle("pixels");
  element("pixels").setAttribute("aria-pressed", String(on));
}

// ----------------------------------------------------------------------------------------------------------- input

addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  if (event.key === " " && event.target instanceof Element && event.target.closest("button, a") !== null) return;
  const key = event.key.toLowerCase();
  if (key === "arrowleft" || key === "arrowright") give(key === "arrowright" ? "keep" : "reject");
  else if (key === " ") later();
  else if (key === "z") undo();
  else if (key === "p") pixels();
  else if (key === "?") help.showModal();
  else return;
  event.preventDefault();
});

addEventListener("click", (event) => {
  const button = /** @type {Element} */ (event.target).closest("button");
  if (button === null) return;
  if (/** @type {PointerEvent} */ (event).pointerType) button.blur(); // or the space bar would press it again
  if (button.dataset.label) give(/** @type {Label} */ (button.dataset.label));
  else if (button.id === "later") later();
  else if (button.id === "undo") undo();
  else if (button.id === "pixels") pixels();
  else if (button.id === "help-button") help.showModal();
  else if (button.id === "help-close") help.close();
});

/** @type {number | null} */
let from = null;
element("single").addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
  from = event.pointerType === "touch" && event.isPrimary ? event.clientX : null;
});
element("single").addEventListener("pointerup", (/** @type {PointerEvent} */ event) => {
  const moved = from === null ? 0 : event.clientX - from;
  from = null;
  if (Math.abs(moved) >= SWIPE_PX) give(moved > 0 ? "keep" : "reject");
});
element("single").addEventListener("pointercancel", () => (from = null));
addEventListener("online", () => outbox.flush());

if (outbox.size > 0) outbox.flush();
fill();
