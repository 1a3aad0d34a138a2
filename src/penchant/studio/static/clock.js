// Time since a pair was painted, without the time in which the tab was hidden.

export class Clock {
  #painted = Infinity;
  #hidden = 0;
  #hiddenSince = 0;
  shownAt = 0;

  constructor() {
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.#hiddenSince = performance.now();
      else this.#hidden += performance.now() - Math.max(this.#hiddenSince, Math.min(this.#painted, performance.now()));
    });
  }

  /** Both images were painted just now. */
  start() {
    this.#painted = performance.now();
    this.#hidden = 0;
    this.shownAt = Date.now() / 1000;
  }

  /** Nothing is shown. */
  stop() {
    this.#painted = Infinity;
  }

  /** Milliseconds since the pair was painted; negative where none is. */
  get elapsed() {
    return performance.now() - this.#painted;
  }

  get hidden() {
    return this.#hidden;
  }
}
