// Requests to the study's server. Every failure says whether trying again can help.

export class Refused extends Error {
  /** @param {number} status @param {string} text */
  constructor(status, text) {
    super(text);
    this.status = status;
  }

  /** The server is there but cannot do it now (busy, disk full, an error of its own). */
  get mayWorkLater() {
    return this.status >= 500 || this.status === 429;
  }
}

export class Api {
  /** @param {string} csrf */
  constructor(csrf) {
    this.csrf = csrf;
  }

  /** @param {string} path */
  get(path) {
    return this.#ask(path, { method: "GET" });
  }

  /** @param {string} path @param {string} key @param {object} [body] */
  post(path, key, body) {
    return this.#ask(path, {
      method: "POST",
      keepalive: true,
      headers: { "Content-Type": "application/json", "X-CSRF-Token": this.csrf, "Idempotency-Key": key },
      body: body && JSON.stringify(body),
    });
  }

  /** @param {"PUT" | "DELETE"} method what may be asked twice: the second time changes nothing @param {string} path */
  change(method, path) {
    return this.#ask(path, { method, keepalive: true, headers: { "X-CSRF-Token": this.csrf } });
  }

  /** @param {string} path @param {RequestInit} request */
  async #ask(path, request) {
    const response = await fetch(path, { ...request, signal: AbortSignal.timeout(30000) });
    const answer = await response.json();
    if (!response.ok) throw new Refused(response.status, answer.error ?? response.statusText);
    return answer;
  }
}
