// Two versions compared without saying which is which: the next pair is loaded while this one is looked at.

import { Api, Refused } from "./api.js";
import { say } from "./texts.js";

const KEYS = /** @type {Record<string, string>} */ ({ ArrowLeft: "left", ArrowRight: "right", ArrowDown: "tie", ArrowUp: "both_bad", " ": "skip" });
const REVEAL_MS = 150; // a key this soon after a pair appeared was meant for the one before

/** @param {string} id @returns {any} */
const element = (id) => document.getElementById(id);
const { csrf = "", version = "", against = "" } = document.body.dataset;
const api = new Api(csrf);
const pair = `version=${version}&against=${against}`;

let number = -1; // none is shown
let shownAt = 0;

/** @param {number} which @param {string} side */
const source = (which, side) => `/compare/image.png?${pair}&number=${which}&side=${side}`;

/** @param {{numbers: number[], answers: number}} state */
async function show(state) {
  const [now, next] = state.numbers;
  for (const side of ["left", "right"]) element(side).src = source(now, side);
  await Promise.all([element("left").decode(), element("right").decode()]);
  number = now;
  shownAt = performance.now();
  element("count").textContent = say("answers", { count: state.answers });
  for (const side of ["left", "right"]) new Image().src = source(next, side);
}

/** @param {string} choice */
async function choose(choice) {
  if (number < 0 || performance.now() - shownAt < REVEAL_MS) return;
  const asked = number;
  number = -1;
  const body = { version: Number(version), against: Number(against), number: asked, choice };
  element("outcome").textContent = "";
  try {
    await show(await api.post("/api/v1/compare", crypto.randomUUID(), body));
  } catch (error) {
    failed(error);
    begin();
  }
}

async function undo() {
  if (number < 0) return;
  number = -1;
  element("outcome").textContent = "";
  try {
    await show(await api.post("/api/v1/compare/undo", crypto.randomUUID(), { version: Number(version), against: Number(against) }));
  } catch (error) {
    failed(error);
    begin();
  }
}

async function result() {
  try {
    element("outcome").textContent = (await api.get(`/api/v1/compare/result?${pair}`)).text;
  } catch (error) {
    failed(error);
  }
}

/** @param {unknown} error */
function failed(error) {
  element("outcome").textContent = error instanceof Refused ? `${error.message}.` : say("lost");
}

function begin() {
  api.get(`/api/v1/compare?${pair}`).then(show).catch(failed);
}

addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key.toLowerCase() === "z") return void undo();
  const pressed = event.target instanceof Element && event.target.closest("button, a") !== null;
  if (!(event.key in KEYS) || (event.key === " " && pressed)) return; // it presses what has the focus
  event.preventDefault();
  choose(KEYS[event.key]);
});
addEventListener("click", (event) => {
  const button = /** @type {Element} */ (event.target).closest("button");
  if (/** @type {PointerEvent} */ (event).pointerType) button?.blur(); // or the space bar would press it again
  if (button?.dataset.choice) choose(button.dataset.choice);
  else if (button?.id === "undo") undo();
  else if (button?.id === "show") result();
});
begin();
