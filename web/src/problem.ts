// Errors in words.
import { NovaError } from "@nova/client";

/** One sentence that tells a person what went wrong. */
export function words(error: unknown): string {
  if (!(error instanceof NovaError)) return "Something went wrong on this page. Reload it and try again.";
  if (error.reason === "NETWORK") return "Nova cannot be reached. Check your connection and try again.";
  if (error.reason === "INTERNAL")
    return `Nova has met a fault of its own. Its log knows more under ${error.requestId}.`;
  return `${sentence(error.detail || error.reason)}${wait(error)}`;
}

function wait(error: NovaError): string {
  if (error.retryAfter === undefined || error.retryAfter < 1) return "";
  const minutes = Math.round(error.retryAfter / 60);
  return minutes < 2 ? ` Try again in ${Math.ceil(error.retryAfter)} seconds.` : ` Try again in ${minutes} minutes.`;
}

/** The API's texts begin in lower case and have no full stop; on a page they are sentences. */
export function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

/** Whether this is a Nova error with one of the reasons. */
export function isReason(error: unknown, ...reasons: string[]): error is NovaError {
  return error instanceof NovaError && reasons.includes(error.reason);
}

/** Whether the same call may succeed later: the connection or the server was in trouble, not the request. */
export function isPassing(error: unknown): boolean {
  return (
    error instanceof NovaError &&
    (error.status === 0 ||
      error.status === 408 ||
      error.status === 429 ||
      error.status >= 500 ||
      error.reason === "CONFLICT")
  );
}
