/**
 * The typed client of Nova for browsers and Node.
 *
 * @packageDocumentation
 */

export type { CallOptions } from "./call.js";
export { NovaError } from "./error.js";
export type { Reason, Violation } from "./error.js";
export { EventStream } from "./events.js";
export type { EventsOptions, StreamState } from "./events.js";
export type * from "./generated.js";
export { Nova } from "./nova.js";
export type { NovaOptions } from "./nova.js";
