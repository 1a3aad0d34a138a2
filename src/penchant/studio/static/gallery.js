// The gallery: a strip of images for each strength is loaded once, so that the slider only redraws.

import { Api } from "./api.js";
import { Signals } from "./signals.js";
import { say } from "./texts.js";

/** @typedef {{version: number, rows: number[], liked: number[], kept: number[], count: number, first: number, page_size: number,
 *             strengths: number[]}} Listed */

/** @param {string} id @returns {any} */
const element = (id) => document.getElementById(id);
const api = new Api(document.body.dataset.csrf ?? "");
const signals = new Signals(api);
const wall = /** @type {HTMLElement} */ (document.querySelector(".wall"));
const HEART = "M10 17 3.5 10.4a4 4 0 0 1 5.7-5.7l.8.9.8-.9a4 4 0 0 1 5.7 5.7Z";
const MARK = "M5.5 3h9v14L10 13.2 5.5 17Z";
const ARROW = "M10 3v10M6 9.5l4 4 4-4M4 17h12";

/** @type {Listed | null} */
let listed = null;
/** @type {Map<number, {image: HTMLImageElement, ready: boolean, loaded: Promise<void>}>} */
let strips = new Map();
let page = 0;
let held = false;
let asked = 0;

// --------------------------------------------------------------------------------------------------------- loading

/** Likes on their way: what is liked, or kept, is listed once they have arrived. @type {Promise<unknown>} */
let changing = Promise.resolve();

async function load() {
  const turn = (asked += 1);
  const query = new URLSearchParams({ version: element("version").value, order: element("order").value, page: String(page) });
  try {
    await changing;
    const answer = /** @type {Listed} */ (await api.get(`/api/v1/gallery?${query}`));
    if (turn !== asked) return;
    const sameStrengths = listed?.strengths.join() === answer.strengths.join();
    listed = answer;
    strips = new Map();
    if (!sameStrengths) setDial();
    lay();
    await strip(strength());
    draw();
    for (const other of [1, ...listed.strengths]) if (turn === asked) await strip(other);
  } catch (error) {
    if (turn === asked) face(error instanceof Error && "status" in error ? `${error.message}.` : say("lost"));
  }
}

/** @param {number} bestOf @returns {Promise<void>} when the strip can be drawn; each is asked for once */
function strip(bestOf) {
  if (listed === null || listed.rows.length === 0) return Promise.resolve();
  let wanted = strips.get(bestOf);
  if (wanted === undefined) {
    const image = new Image();
    const rows = listed.rows.map((row) => `row=${row}`).join("&");
    image.src = `/gallery/strip.png?version=${listed.version}&best_of=${bestOf}&${rows}`;
    wanted = { image, ready: false, loaded: Promise.resolve() };
    const one = wanted;
    one.loaded = image.decode().then(() => {
      one.ready = true;
    });
    strips.set(bestOf, one);
    one.loaded.catch(() => strips.delete(bestOf)); // so that it is asked for again
  }
  return wanted.loaded;
}

// --------------------------------------------------------------------------------------------------------- showing

const strength = () => listed?.strengths[Number(element("strength").value)] ?? 1;

/** The slider has one place for each strength; where there is only one, nothing can be compared. */
function setDial() {
  const strengths = listed?.strengths ?? [1];
  const dial = element("strength");
  dial.max = String(strengths.length - 1);
  dial.value = dial.max;
  for (const id of ["dial", "toggles"]) element(id).classList.toggle("off", strengths.length === 1);
  if (strengths.length === 1) element("side").checked = false;
}

/** @param {string} path @param {string} label */
function icon(path, label) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  const drawn = document.createElementNS("http://www.w3.org/2000/svg", "path");
  drawn.setAttribute("d", path);
  svg.append(drawn);
  return { svg, label };
}

/** @param {string} path drawn @param {string} label @param {string} change what is put or deleted @param {boolean} [on] */
function toggle(path, label, change, on = false) {
  const button = Object.assign(document.createElement("button"), { type: "button" });
  button.append(icon(path, label).svg);
  button.setAttribute("aria-label", label);
  button.setAttribute("aria-pressed", String(on));
  button.dataset.change = change;
  return button;
}

function lay() {
  if (listed === null) return;
  const cells = /** @type {HTMLElement[]} */ ([...element("grid").children]);
  face(listed.rows.length === 0 ? say(element("order").value === "kept" ? "none_kept" : "none_liked") : "");
  cells.forEach((cell, place) => {
    const row = listed?.rows[place];
    cell.classList.toggle("empty", row === undefined);
    cell.hidden = row === undefined;
    if (row === undefined) return;
    cell.dataset.row = String(row);
    const like = toggle(HEART, say("like", { row }), `likes/${listed?.version}-${row}`, listed?.liked.includes(row));
    const keep = toggle(MARK, say("keep", { row }), `kept/${listed?.version}-${row}`, listed?.kept.includes(row));
    keep.title = say("keep_short");
    const save = document.createElement("a");
    const arrow = icon(ARROW, say("download", { row }));
    save.append(arrow.svg);
    save.setAttribute("aria-label", arrow.label);
    save.setAttribute("download", "");
    save.addEventListener("click", () => signals.note("download", `${listed?.version}-${row}`));
    /** @type {HTMLElement} */ (cell.querySelector(".under")).replaceChildren(keep, like, save);
  });
  const last = listed.first + listed.rows.length - 1;
  element("where").textContent = listed.count > 0 ? say("page", { first: listed.first, last, count: listed.count }) : "";
  element("fewer").disabled = page === 0;
  element("more").disabled = (page + 1) * listed.page_size >= listed.count;
}

function draw() {
  if (listed === null) return;
  const chosen = strength();
  const best = held ? 1 : chosen;
  const side = element("side").checked;
  wall.classList.toggle("sides", side);
  element("strength-value").value = chosen === 1 ? say("strength_none") : say("strength_value", { n: chosen });
  element("strength").setAttribute("aria-valuetext", element("strength-value").value);
  if (listed.rows.length === 0) return;
  const images = (side ? [1, chosen] : [best]).map((one) => ({ one, strip: strips.get(one) }));
  const missing = images.find(({ strip }) => !strip?.ready);
  if (missing) {
    strip(missing.one).then(draw, () => face(say("lost")));
    return; // what is there stays until it has come
  }
  listed.rows.forEach((row, place) => {
    const cell = element("grid").children[place];
    const shown = cell.querySelector(".shown");
    while (shown.children.length < images.length) shown.append(document.createElement("canvas"));
    while (shown.children.length > images.length) shown.lastChild.remove();
    images.forEach(({ one, strip }, at) => paint(shown.children[at], /** @type {any} */ (strip).image, place, row, one));
    cell.querySelector("a").href = `/gallery/candidate.png?version=${listed?.version}&row=${row}&best_of=${best}&save=true`;
  });
}

/** @param {HTMLCanvasElement} canvas @param {HTMLImageElement} image @param {number} place @param {number} row
 *  @param {number} bestOf */
function paint(canvas, image, place, row, bestOf) {
  const side = image.naturalHeight;
  if (canvas.width !== side) canvas.width = canvas.height = side;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.drawImage(image, place * side, 0, side, side, 0, 0, side, side);
  const several = (listed?.strengths.length ?? 1) > 1;
  const which = several ? `, ${bestOf === 1 ? say("before") : say("after")}` : "";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", say("image", { row }) + which);
}

/** @param {string} text instead of images; empty for none */
function face(text) {
  element("nothing").hidden = text === "";
  element("nothing").textContent = text;
  element("grid").hidden = text !== "";
}

// ----------------------------------------------------------------------------------------------------------- input

/** Like or keep, or no longer. @param {HTMLButtonElement} button */
async function change(button) {
  const on = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(on));
  try {
    const done = api.change(on ? "PUT" : "DELETE", `/api/v1/${button.dataset.change}`);
    changing = Promise.allSettled([changing, done]);
    await done;
  } catch (error) {
    button.setAttribute("aria-pressed", String(!on));
    element("live").textContent = error instanceof Error ? error.message : "";
  }
}

/** @param {boolean} now */
function hold(now) {
  if (held === now || element("toggles").classList.contains("off")) return;
  held = now;
  element("hold").setAttribute("aria-pressed", String(now));
  draw();
}

/** @param {number} to */
function turn(to) {
  page = to;
  scrollTo({ top: Math.min(scrollY, wall.offsetTop) });
  load();
}

element("grid").addEventListener("click", (/** @type {MouseEvent} */ event) => {
  const button = /** @type {Element} */ (event.target).closest("button");
  if (button) change(button);
});
element("strength").addEventListener("input", draw);
element("side").addEventListener("change", draw);
for (const id of ["version", "order"]) element(id).addEventListener("change", () => turn(0));
element("fewer").addEventListener("click", () => turn(page - 1));
element("more").addEventListener("click", () => turn(page + 1));
element("hold").addEventListener("pointerdown", () => hold(true));
addEventListener("pointerup", () => hold(false));
addEventListener("pointercancel", () => hold(false));
addEventListener("keydown", (event) => {
  const inMenu = event.target instanceof HTMLSelectElement;
  const onHold = event.target === element("hold") && (event.key === " " || event.key === "Enter");
  if (onHold || (event.key.toLowerCase() === "b" && !inMenu && !event.ctrlKey && !event.metaKey)) hold(true);
});
addEventListener("keyup", (event) => ["b", "B", " ", "Enter"].includes(event.key) && hold(false));
addEventListener("blur", () => hold(false));

const wanted = new URLSearchParams(location.search).get("version");
if (wanted && element("version").querySelector(`option[value="${CSS.escape(wanted)}"]`)) element("version").value = wanted;
load();
