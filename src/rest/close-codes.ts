import type { ErrorTag } from '../util/errors.ts';
import { GatewayError } from '../util/errors.ts';
import { tellError } from './error-map.ts';

/** Codes of RFC 6455 with which a WebSocket is closed. */
export const CLOSE = {
  normal: 1000,
  goingAway: 1001,
  invalidData: 1007,
  policy: 1008,
  tooBig: 1009,
  internal: 1011,
  tryAgainLater: 1013,
} as const;

/** The table of errors for sockets, as `error-map.ts` is for answers. */
const CODES: Readonly<Partial<Record<ErrorTag, number>>> = {
  badRequest: CLOSE.invalidData,
  tooLarge: CLOSE.tooBig,
  unauthorized: CLOSE.policy,
  forbidden: CLOSE.policy,
  missing: CLOSE.policy,
  tooSlow: CLOSE.policy,
  unavailable: CLOSE.tryAgainLater,
};

/** The longest reason that a close frame holds. */
const REASON_BYTES_MAX = 123;

export interface Closing {
  readonly code: number;
  readonly reason: string;
  /** Whether the log must tell it. */
  readonly internal: boolean;
}

/** How a socket is closed after an error. */
export function closingOf(cause: unknown): Closing {
  const { reason, internal } = tellError(cause);
  const code = cause instanceof GatewayError ? CODES[cause.tag] : undefined;
  return { code: code ?? CLOSE.internal, reason: clipped(reason), internal };
}

/** Cut between characters. */
function clipped(reason: string): string {
  if (Buffer.byteLength(reason) <= REASON_BYTES_MAX) return reason;
  const { read } = new TextEncoder().encodeInto(reason, new Uint8Array(REASON_BYTES_MAX - 3));
  return `${reason.slice(0, read)}…`;
}
