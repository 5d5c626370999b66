import { NovaError } from "./error.js";

/** Milliseconds before a next try: doubled with each failure up to `most`, and spread so that clients do not come all at once. */
export function backoff(failures: number, first: number, most: number): number {
  const step = Math.min(most, first * 2 ** (failures + 1));
  return step / 2 + (Math.random() * step) / 2;
}

/** Waits; rejects with the signal's reason once it is aborted. `hurry` is given a function that ends the wait. */
export function sleep(ms: number, signal?: AbortSignal, hurry?: (now: () => void) => () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const end = (settle: () => void) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      forget?.();
      settle();
    };
    const abort = () => end(() => reject(signal?.reason));
    const timer = setTimeout(() => end(resolve), ms);
    const forget = hurry?.(() => end(resolve));
    signal?.addEventListener("abort", abort);
  });
}

/** The promise, or the signal's reason as soon as it is aborted: what others wait for too goes on. */
export function abortable<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (signal === undefined) {
    return promise;
  }
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) {
      abort();
    }
    signal.addEventListener("abort", abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** A signal that is aborted with another one, or when its time is over. */
export class Limit {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #follow = () => this.#controller.abort(this.#outer?.reason);
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(outer?: AbortSignal) {
    this.#outer = outer;
    if (outer?.aborted) {
      this.#follow();
    }
    outer?.addEventListener("abort", this.#follow);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Gives it so much time from now on. */
  within(ms: number, reason: () => NovaError = () => NovaError.timeout(ms)): this {
    this.rest();
    this.#timer = setTimeout(() => this.#controller.abort(reason()), ms);
    return this;
  }

  /** Stops the clock. */
  rest(): void {
    clearTimeout(this.#timer);
  }

  /** Lets go of the clock and of the other signal; `reason` ends what goes by this one. */
  end(reason?: unknown): void {
    this.rest();
    this.#outer?.removeEventListener("abort", this.#follow);
    if (reason !== undefined) {
      this.#controller.abort(reason);
    }
  }
}
