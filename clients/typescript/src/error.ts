import type { AuthErrorReason, MessagingErrorReason, UserErrorReason } from "./generated.js";

/** Reasons that REST and this client add to those of the services. */
type TransportReason =
  | "NETWORK"
  | "ROUTE_NOT_FOUND"
  | "METHOD_NOT_ALLOWED"
  | "UNSUPPORTED_MEDIA_TYPE";

/** Why a call failed. There may be more in time, so that any text will do; an editor offers those that are known. */
export type Reason = AuthErrorReason | UserErrorReason | MessagingErrorReason | TransportReason | (string & {});

/** A part of a request that is at fault, in the proto's spelling (`display_name`). */
export interface Violation {
  field: string;
  description: string;
}

/** What an error is made of: a problem document as RFC 9457 has it, with Nova's members. */
export interface Problem {
  status: number;
  reason: Reason;
  detail?: string | undefined;
  domain?: string | undefined;
  metadata?: Record<string, string> | undefined;
  violations?: Violation[] | undefined;
  requestId?: string | undefined;
  retryAfter?: number | undefined;
}

/** A call that was refused, or that did not reach the server (`status` 0). Branch on `reason`, never on the text. */
export class NovaError extends Error {
  override readonly name = "NovaError";
  /** The HTTP status; 0 where no answer came. */
  readonly status: number;
  /** Why. */
  readonly reason: Reason;
  /** A sentence for people; it may change. */
  readonly detail: string;
  /** Who says so, such as `messaging.nova`; empty where no answer came. */
  readonly domain: string;
  /** Facts for programs, such as `current_version`. */
  readonly metadata: Record<string, string>;
  /** The parts of the request that are at fault. */
  readonly violations: Violation[];
  /** Names the call in the server's log. */
  readonly requestId: string;
  /** Seconds to wait before the next try, where the server said so. */
  readonly retryAfter?: number;

  constructor(problem: Problem, options?: ErrorOptions) {
    const detail = problem.detail || String(problem.reason).toLowerCase().replaceAll("_", " ");
    super(detail, options);
    this.status = problem.status;
    this.reason = problem.reason;
    this.detail = detail;
    this.domain = problem.domain ?? "";
    this.metadata = problem.metadata ?? {};
    this.violations = problem.violations ?? [];
    this.requestId = problem.requestId ?? "";
    if (problem.retryAfter !== undefined) {
      this.retryAfter = problem.retryAfter;
    }
  }

  /** From an answer that is no success; what stands between may answer in a form of its own. */
  static async of(response: Response): Promise<NovaError> {
    const text = await response.text();
    const wait = Number.parseInt(response.headers.get("retry-after") ?? "", 10);
    return NovaError.from(text, response.status, {
      requestId: response.headers.get("x-request-id") ?? undefined,
      retryAfter: Number.isNaN(wait) ? undefined : wait,
    });
  }

  /** From the text of a problem document. */
  static from(text: string, status: number, known: Partial<Problem> = {}): NovaError {
    const document = object(text);
    const reason = typeof document["reason"] === "string" ? document["reason"] : `HTTP_${status}`;
    return new NovaError({
      status: typeof document["status"] === "number" ? document["status"] : status,
      reason,
      detail: document["detail"] as string | undefined,
      domain: document["domain"] as string | undefined,
      metadata: document["metadata"] as Record<string, string> | undefined,
      violations: document["violations"] as Violation[] | undefined,
      requestId: (document["request_id"] as string | undefined) ?? known.requestId,
      retryAfter: known.retryAfter,
    });
  }

  /** No answer came, or only a part of one. */
  static network(cause: unknown): NovaError {
    if (cause instanceof NovaError) {
      return cause;
    }
    return new NovaError({ status: 0, reason: "NETWORK", detail: "the server cannot be reached" }, { cause });
  }

  /** No answer came in the time that there was. */
  static timeout(ms: number): NovaError {
    return new NovaError({ status: 0, reason: "DEADLINE_EXCEEDED", detail: `no answer came within ${ms} ms` });
  }

  /** A call that needs a person, and there is none. */
  static signedOut(detail = "nobody is signed in"): NovaError {
    return new NovaError({ status: 401, reason: "UNAUTHENTICATED", detail });
  }
}

function object(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
