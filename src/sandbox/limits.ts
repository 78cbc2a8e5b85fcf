/**
 * What a sandbox may cost. Bytes are UTF-8, characters UTF-16 units, times milliseconds. Reaching a
 * limit fails the call that reached it, and nothing else.
 */
export const LIMITS = {
  /**
   * Children at most: one works, the others are its spares. A function whose calls take long has
   * all but one of them.
   */
  children: 3,
  /** Those that always stand ready; the others start when a call is slow, or ends its child. */
  childrenReady: 2,
  /** The heap of a child. Two revisions of 20 MB and what is made of them must fit. */
  heapMb: 512,
  /** What `ulimit -d` adds to the heap for the program, its tables and buffers (measured: 560). */
  dataBaseMb: 640,
  /** The longest call where the configuration names none. */
  timeoutMs: 1000,
  /** Added to it for each million characters of the documents, which must be read and parsed. */
  msPerMillionChars: 50,
  /** The longest that a child may take to start. */
  startMs: 10_000,
  /** The longest that it may take to read a batch before it begins its first call. */
  readMs: 5000,
  /** How often a working child is looked at. */
  checkMs: 25,
  /** Looks after which a batch counts as slow, and a spare takes what waits. */
  slowChecks: 2,
  /** A call that takes so long is left to its child alone: the others of its batch go elsewhere. */
  stuckMs: 250,
  /** The pause after a child that never answered; it doubles with each, up to the second one. */
  restartMsFirst: 25,
  restartMsMost: 5000,
  /** Failed starts in a row after which waiting calls are given up. */
  startFailures: 5,
  /** How often a call is sent, as long as it is not to blame for the deaths of its children. */
  attempts: 5,
  batchCalls: 64,
  /** Characters of a batch's documents; a larger one goes alone. */
  batchChars: 1 << 20,
  queueCalls: 10_000,
  queueChars: 128 << 20,
  /** Characters of both revisions and the third argument. */
  callChars: 64 << 20,
  sourceChars: 1 << 20,
  /** Functions that a child keeps compiled, each in a context of its own (about 1 MB). */
  functions: 64,
  /** Bytes of writers that a child keeps. */
  writersBytes: 16 << 20,
  /** Of the answer to one call. */
  answerChars: 1 << 20,
  /** Of a batch's answers together: what is past it is asked again. */
  answersBytes: 8 << 20,
  /** Of a frame from a child: `answersBytes` and one answer more, at three bytes a character. */
  frameBytes: 12 << 20,
  logLines: 100,
  logChars: 2000,
  reasonChars: 10_000,
} as const;

export type Limits = { readonly [K in keyof typeof LIMITS]: number };
