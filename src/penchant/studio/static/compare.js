// Two versions compared without saying which is which: the next pair is loaded while this one is looked at.

import { Api, Refused } from "./api.js";
import { say } from "./texts.js";

const KEYS = /** @type {Record<string, string>} */ ({ ArrowLeft: "left", ArrowRight: "right", ArrowDown: "tie" });
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

/** @param {{number: number, answers: number}} state */
async function show(state) {
  for (const side of ["left", "right"]) element(side).src = source(state.number, side);
  await Promise.all([element("left").decode(), element("right").decode()]);
  number = state.number;
  shownAt = performance.now();
  element("count").textContent = say("answers", { count: state.answers });
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

async function result() {
  try {
    const found = await api.get(`/api/v1/compare/result?${pair}`);
    const share = (/** @type {number} */ value) => `${Math.round(100 * value)}%`;
    const [value, low, high, ties] = [found.value, found.low, found.high, found.ties].map(share);
    const decided = found.answers > 0 && found.ties < 1;
    const judged = found.low > 0.5 ? "better" : found.high < 0.5 ? "worse" : "unsure";
    element("outcome").textContent = decided
      ? `${say("chosen", { version, value, low, high, ties, count: found.answers })} ${say(judged)}`
      : say("nothing");
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
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
  event.preventDefault();
  choose(KEYS[event.key]);
});
addEventListener("click", (event) => {
  const button = /** @type {Element} */ (event.target).closest("button");
  if (button?.dataset.choice) choose(button.dataset.choice);
  else if (button?.id === "show") result();
});
begin();
