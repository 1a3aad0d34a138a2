// What is noticed besides answers: which images are enlarged or saved. Sent in batches, never waited for.

const EVERY_MS = 5000;
const MOST = 100; // a request

/** @typedef {{key: string, kind: "zoom" | "download", image: string, at: number, ms?: number}} Signal */

export class Signals {
  /** @type {Signal[]} */
  #waiting = [];
  #timer = 0;

  /** @param {import("./api.js").Api} api */
  constructor(api) {
    this.api = api;
    addEventListener("pagehide", () => this.send());
    addEventListener("visibilitychange", () => document.hidden && this.send());
  }

  /** @param {"zoom" | "download"} kind @param {string} image its SHA-256, or VERSION-ROW @param {number} [ms] how long */
  note(kind, image, ms) {
    const signal = { key: crypto.randomUUID(), kind, image, at: Date.now() / 1000 };
    this.#waiting.push(ms === undefined ? signal : { ...signal, ms: Math.round(ms) });
    if (this.#waiting.length >= MOST) this.send();
    else if (this.#timer === 0) this.#timer = setTimeout(() => this.send(), EVERY_MS);
  }

  /** Also while the page is closing; what does not arrive is missed by nobody. */
  send() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const events = this.#waiting.splice(0, MOST);
    if (events.length > 0) this.api.post("/api/v1/events", crypto.randomUUID(), { events }).catch(() => {});
  }
}
