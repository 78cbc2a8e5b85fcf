/**
 * Errors in the domain's words. `rest/error-map.ts` gives each tag its HTTP status; nothing below
 * `rest/` knows a status.
 */
export type ErrorTag =
  /** No such document, revision, attachment, principal, session or database. */
  | 'missing'
  /** It existed and is deleted. */
  | 'deleted'
  /** The edit does not extend a leaf, or the thing exists already. */
  | 'conflict'
  /** The caller is known and may not. */
  | 'forbidden'
  /** The caller is unknown, or its credentials are wrong. */
  | 'unauthorized'
  /** The request or a configuration is malformed; the reason says what to change. */
  | 'badRequest'
  /** A precondition that the caller stated (If-Match) does not hold. */
  | 'preconditionFailed'
  /** A database of that name exists. */
  | 'databaseExists'
  | 'unsupportedMediaType'
  | 'methodNotAllowed'
  /** A body, attachment or nesting beyond its limit. */
  | 'tooLarge'
  /** The caller sent its request slower than the limit allows. */
  | 'tooSlow'
  | 'rangeNotSatisfiable'
  /** For now: the database is not online, the disk is full, the bucket is locked, too busy. */
  | 'unavailable'
  /** A sync function threw something that is no rejection, or went past its limits. */
  | 'functionFailed'
  /** The bucket's content contradicts itself. */
  | 'corrupt';

/**
 * An error that a caller may be told of. Everything else that is thrown is a bug and told as such.
 */
export class GatewayError extends Error {
  readonly tag: ErrorTag;
  /** Machine-readable particulars, never secrets. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    tag: ErrorTag,
    reason: string,
    options: { details?: Readonly<Record<string, unknown>>; cause?: unknown } = {},
  ) {
    super(reason, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'GatewayError';
    this.tag = tag;
    this.details = options.details ?? {};
  }
}

/** Whether `cause` is a GatewayError, of one of the tags where some are named. */
export function isGatewayError(
  cause: unknown,
  ...tags: readonly ErrorTag[]
): cause is GatewayError {
  return cause instanceof GatewayError && (tags.length === 0 || tags.includes(cause.tag));
}
