// Answers on their way to the server: in order, kept in this tab until acknowledged, sent again under the same key.

import { Refused } from "./api.js";

const WAITS = [250, 500, 1000, 2000, 4000, 8000];

/** @typedef {{path: string, key: string, body?: object}} Item */

export class Outbox {
  /** @type {Item[]} */
  #items;
  #sending = false;
  #failures = 0;
  /** @type {number | undefined} */
  #timer;

  /**
   * @param {import("./api.js").Api} api
   * @param {string} name where this tab keeps it
   * @param {{accepted: (item: Item, answer: any) => void, refused: (item: Item, error: Refused) => void,
   *          waiting: (error: Error | null) => void}} listener
   */
  constructor(api, name, listener) {
    this.api = api;
    this.name = name;
    this.listener = listener;
    this.#items = JSON.parse(sessionStorage.getItem(name) ?? "[]");
  }

  get size() {
    return this.#items.length;
  }

  /** The numbers of the queries whose answers are on their way. */
  get queries() {
    return this.#items.map((item) => /** @type {any} */ (item.body)?.query);
  }

  /** @param {string} path @param {object} [body] */
  add(path, body) {
    this.#items.push({ path, key: crypto.randomUUID(), body });
    this.#keep();
    if (this.#failures === 0) this.flush();
  }

  /** Send what there is, now. */
  async flush() {
    clearTimeout(this.#timer);
    if (this.#sending) return;
    this.#sending = true;
    try {
      while (this.#items.length > 0) await this.#sendFirst();
    } catch (error) {
      const wait = WAITS[Math.min(this.#failures, WAITS.length - 1)];
      this.#failures += 1;
      this.#timer = setTimeout(() => this.flush(), wait);
      this.listener.waiting(/** @type {Error} */ (error));
    } finally {
      this.#sending = false;
    }
  }

  async #sendFirst() {
    const item = this.#items[0];
    /** @type {() => void} */
    let report;
    try {
      const answer = await this.api.post(item.path, item.key, item.body);
      report = () => this.listener.accepted(item, answer);
    } catch (error) {
      if (!(error instanceof Refused) || error.mayWorkLater) throw error;
      report = () => this.listener.refused(item, error);
    }
    this.#items.shift();
    this.#keep();
    if (this.#failures > 0) this.listener.waiting(null);
    this.#failures = 0;
    report();
  }

  #keep() {
    if (this.#items.length > 0) sessionStorage.setItem(this.name, JSON.stringify(this.#items));
    else sessionStorage.removeItem(this.name);
  }
}
