// The page of the versions: begins what is to be made, and shows how far it is.

import { Api, Refused } from "./api.js";
import { say } from "./texts.js";

const EVERY_MS = 400;

/** @typedef {{kind: string, running: boolean, stage: string, fraction: number, seconds_left: number | null,
 *             figures: Record<string, number>, error: string, stopped: boolean, version: number | null}} Work */

/** @param {string} id @returns {any} */
const element = (id) => document.getElementById(id);
const api = new Api(document.body.dataset.csrf ?? "");
const idle = element("work").dataset.idle;
let seen = location.hash === "#begun"; // begun on this page or on the way here: how older work ended is no news

/** @param {Work} work */
function show(work) {
  element("busy").hidden = !work.running;
  element("idle").hidden = work.running;
  if (work.running) {
    seen = true;
    element("stage").textContent = say(work.stage);
    element("left").textContent = work.seconds_left ? say("seconds_left", { seconds: Math.ceil(work.seconds_left) }) : "";
    element("progress").value = work.fraction;
    element("figures").textContent = Object.entries(work.figures)
      .map(([name, value]) => `${name.replaceAll("_", " ")} ${Number(value.toPrecision(3))}`)
      .join(" · ");
    return;
  }
  if (!seen) return;
  if (work.error) outcome(`${say("failed")}: ${work.error}.`);
  else if (work.stopped) outcome(say("stopped"));
  else if (work.version === 1) location.assign("/vote");
  else if (work.version !== null) location.assign(`/gallery?version=${work.version}`);
}

/** @param {string} text */
function outcome(text) {
  element("outcome").textContent = text;
}

async function watch() {
  try {
    const work = /** @type {Work} */ (await api.get("/api/v1/work"));
    show(work);
    if (element("outcome").textContent === say("lost")) outcome("");
    if (work.running) setTimeout(watch, EVERY_MS);
  } catch (error) {
    outcome(error instanceof Refused ? `${error.message}.` : say("lost"));
    setTimeout(watch, 5 * EVERY_MS);
  }
}

/** @returns {{like_best_of?: number | "auto", of?: Record<string, number>}} how far, and whose taste */
function wanted() {
  const [far, whose] = [element("strength").value, element("whose")];
  /** @type {ReturnType<typeof wanted>} */
  const asked = {};
  if (far !== "") asked.like_best_of = far === "auto" ? "auto" : Number(far);
  if (!whose || whose.value === "") return asked;
  const shares = "blend" in whose.selectedOptions[0].dataset ? sharesGiven() : [[whose.value, 1]];
  asked.of = Object.fromEntries(shares);
  return asked;
}

/** @returns {[string, number][]} of those that have any */
function sharesGiven() {
  const sliders = /** @type {HTMLInputElement[]} */ ([...element("shares").querySelectorAll("input")]);
  return sliders.filter((one) => one.value !== "0").map((one) => [one.dataset.voter ?? "", Number(one.value) / 100]);
}

function showShares() {
  element("shares").hidden = !("blend" in element("whose").selectedOptions[0].dataset);
  const total = sharesGiven().reduce((sum, [, share]) => sum + share, 0);
  for (const slider of element("shares").querySelectorAll("input")) {
    const share = total > 0 ? Math.round(Number(slider.value) / total) : 0;
    slider.nextElementSibling.value = `${share}%`;
    slider.setAttribute("aria-valuetext", `${share}%`);
  }
}

/** @param {string} path */
async function ask(path) {
  outcome("");
  seen = true;
  try {
    show(await api.post(path, crypto.randomUUID(), path.endsWith("align") ? wanted() : undefined));
    watch();
  } catch (error) {
    outcome(error instanceof Refused ? `${error.message}.` : say("lost"));
  }
}

element("whose")?.addEventListener("change", showShares);
element("shares")?.addEventListener("input", showShares);
element("begin").addEventListener("click", () => ask(`/api/v1/work/${idle}`));
element("feed")?.addEventListener("click", () => ask("/api/v1/work/feed"));
element("stop").addEventListener("click", () => ask("/api/v1/work/stop"));
history.replaceState(null, "", location.pathname);
watch();
