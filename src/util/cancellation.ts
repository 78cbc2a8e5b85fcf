/**
 * Who asked for something and may lose interest in it. Its signal is made when it is first asked
 * for, which costs a small request more than a few others of its steps: so only what really waits
 * asks.
 */
export interface Cancellation {
  /** Aborts when the outcome is not wanted any more. */
  readonly signal: AbortSignal;
}
