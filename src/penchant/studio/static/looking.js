// Looking closer, liking and swiping, on the voting page: nothing here answers a pair by itself.

import { Refused } from "./api.js";
import { Signals } from "./signals.js";
import { say } from "./texts.js";

const SWIPE_PX = 56;

/** @typedef {"left" | "right"} Side */

/** @param {string} id @returns {any} */
const element = (id) => document.getElementById(id);

/** @param {HTMLImageElement} image @returns {string} its SHA-256 */
const nameOf = (image) => image.src.split("/").pop() ?? "";

export class Looking {
  #asked = false; // L was pressed: the next arrow says which image
  /** @type {{x: number, y: number} | null} */
  #from = null;
  /** @type {{pair: import("./pairs.js").Pair, since: number} | null} what is enlarged, and since when */
  #closer = null;

  /**
   * @param {import("./api.js").Api} api
   * @param {import("./view.js").View} view
   * @param {() => import("./pairs.js").Pair | null} shown
   * @param {(choice: "left" | "right" | "tie" | "both_bad") => void} swiped
   */
  constructor(api, view, shown, swiped) {
    this.api = api;
    this.signals = element("like-left") ? new Signals(api) : null; // only the studio keeps them
    this.view = view;
    this.shown = shown;
    this.swiped = swiped;
    const pair = element("pair");
    pair.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => this.#point(event));
    pair.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
      this.#from = event.pointerType === "touch" && event.isPrimary ? { x: event.clientX, y: event.clientY } : null;
    });
    pair.addEventListener("pointerup", (/** @type {PointerEvent} */ event) => this.#lifted(event));
    pair.addEventListener("pointercancel", () => (this.#from = null));
  }

  /** A new pair: whole, and nothing liked yet. */
  renew() {
    this.#ask(false);
    this.zoom(false, false);
    for (const heart of element("pair").querySelectorAll(".heart")) heart.setAttribute("aria-pressed", "false");
  }

  /** @param {string} key @returns {boolean} whether the key was meant for this */
  key(key) {
    if (this.#asked && (key === "ArrowLeft" || key === "ArrowRight")) {
      this.#ask(false);
      this.like(key === "ArrowLeft" ? "left" : "right");
      return true;
    }
    if (this.#asked) this.#ask(false);
    else if (key.toLowerCase() === "l" && element("like-left") && this.shown() !== null) return this.#ask(true);
    if (key === "Escape") return this.zoom(false);
    if (key.toLowerCase() === "f") return this.zoom();
    if (key.toLowerCase() === "p") return document.body.classList.toggle("pixels") || true;
    return false;
  }

  /** @param {boolean} on @param {boolean} told @returns {true} */
  zoom(on = !document.body.classList.contains("zoomed"), told = true) {
    const before = document.body.classList.contains("zoomed");
    document.body.classList.toggle("zoomed", on && this.shown() !== null);
    const now = document.body.classList.contains("zoomed");
    element("zoom").setAttribute("aria-pressed", String(now));
    if (now !== before) this.#notice(now);
    if (told && now !== before) this.view.say(say(now ? "zoomed" : "unzoomed"));
    return true;
  }

  /** @param {boolean} enlarged now, or no longer */
  #notice(enlarged) {
    const pair = this.shown();
    if (this.#closer !== null) {
      const { pair: seen, since } = this.#closer;
      for (const image of [seen.left, seen.right]) this.signals?.note("zoom", nameOf(image), performance.now() - since);
    }
    this.#closer = enlarged && pair !== null ? { pair, since: performance.now() } : null;
  }

  /** @param {Side} side like its image, or take the like back */
  async like(side) {
    const pair = this.shown();
    if (pair === null) return;
    const button = element(`like-${side}`);
    const liked = button.getAttribute("aria-pressed") !== "true";
    const image = nameOf(pair[side]);
    button.setAttribute("aria-pressed", String(liked));
    try {
      await this.api.change(liked ? "PUT" : "DELETE", `/api/v1/likes/${image}`);
      this.view.say(say(liked ? `liked_${side}` : "unliked"));
    } catch (error) {
      if (this.shown() === pair) button.setAttribute("aria-pressed", String(!liked));
      const text = say("like_failed", { why: error instanceof Refused ? error.message : say("lost") });
      this.view.strip(text);
      setTimeout(() => this.view.unstrip(text), 6000);
    }
  }

  /** @param {boolean} asked @returns {true} */
  #ask(asked) {
    if (asked) this.view.strip(say("which"));
    else if (this.#asked) this.view.unstrip(say("which"));
    this.#asked = asked;
    element("pair").classList.toggle("asked", asked);
    return true;
  }

  /** @param {PointerEvent} event the same place of both images */
  #point(event) {
    const frame = /** @type {Element} */ (event.target).closest(".frame");
    if (frame === null) return;
    const box = frame.getBoundingClientRect();
    const pair = element("pair");
    pair.style.setProperty("--x", `${(100 * (event.clientX - box.left)) / box.width}%`);
    pair.style.setProperty("--y", `${(100 * (event.clientY - box.top)) / box.height}%`);
  }

  /** @param {PointerEvent} event */
  #lifted(event) {
    const from = this.#from;
    this.#from = null;
    if (from === null || document.body.classList.contains("zoomed")) return;
    const [x, y] = [event.clientX - from.x, event.clientY - from.y];
    if (Math.max(Math.abs(x), Math.abs(y)) < SWIPE_PX) return;
    const [left, right] = [element("left").getBoundingClientRect(), element("right").getBoundingClientRect()];
    const stacked = right.top >= left.bottom;
    const along = stacked ? y : x;
    const across = stacked ? x : y;
    const over = AbortSignal.timeout(50); // a click may follow, or none
    addEventListener("click", (click) => click.stopImmediatePropagation(), { capture: true, signal: over });
    if (Math.abs(along) >= Math.abs(across)) this.swiped(along < 0 ? "left" : "right");
    else this.swiped(across < 0 ? "both_bad" : "tie");
  }
}
