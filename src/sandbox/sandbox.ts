import type { Log } from '../observability/log.ts';
import type { GatewayError } from '../util/errors.ts';
import type { FunctionLine } from './parse-outcome.ts';

/**
 * Administrators' JavaScript over documents that strangers send, behind one asynchronous port.
 * The functions run in a child process without capabilities (`design.md`, Sandbox): a function that
 * loops, allocates without end or kills its process fails its own call, and freezes nobody.
 */
export interface Sandbox extends AsyncDisposable {
  /**
   * Compiles a sync function in the child. Throws `badRequest` with line and column of the
   * administrator's source where it does not parse or is no function.
   */
  syncFunction(source: string, options: FunctionOptions): Promise<SyncFunction>;
  /**
   * Compiles a function that says yes or no to a document: a filter of events. Throws as
   * `syncFunction`.
   */
  filterFunction(source: string, options: FunctionOptions): Promise<FilterFunction>;
  /**
   * Whether the source parses as one function; throws `badRequest` with line and column where not.
   */
  check(source: string): Promise<void>;
}

export interface FunctionOptions {
  /** The longest that one call may take, ms; 0 means the default. */
  readonly timeoutMs: number;
  /** Where `console.log` and `log` of the function go. */
  readonly log: Log;
}

export interface SyncFunction extends Disposable {
  /**
   * Judges one write. Calls made at the same time share a batch and are answered in the order of
   * the calls, as long as none is slow: nobody waits for a slow one. Throws `functionFailed` where
   * the function broke (threw something that is no
   * rejection, went past a limit, killed its process, gave an invalid channel or role name), with
   * the message, line and column; `unavailable` where too many calls wait.
   */
  run(input: SyncInput): Promise<SyncOutcome>;

  /**
   * The same for somebody who looks at what the function does: a failure is told, not thrown, and
   * what it wrote with `log` and `console` is told, not logged. Throws `unavailable` as `run`.
   */
  trace(input: SyncInput): Promise<SyncTrace>;
}

/** All that a call did. */
export interface SyncTrace {
  /** Undefined where the function broke. */
  readonly outcome: SyncOutcome | undefined;
  /** `functionFailed`, with line and column among the details. */
  readonly failure: GatewayError | undefined;
  /** Whether what it returned counts as true. */
  readonly truthy: boolean;
  readonly log: readonly FunctionLine[];
}

export interface FilterFunction extends Disposable {
  /**
   * Whether the function answers something that counts as true for this JSON text. Throws
   * `functionFailed` where it broke or threw anything, `unavailable` where too many calls wait.
   */
  accepts(doc: string): Promise<boolean>;
}

export interface SyncInput {
  /**
   * JSON text of the new revision, with `_id`, `_rev` and `_deleted`; attachments are not shown, as
   * recorded.
   */
  readonly doc: string;
  /** JSON text of the parent revision, or null. */
  readonly oldDoc: string | null;
  /** JSON text of the third argument. */
  readonly meta: string;
  /** Who writes; null passes every `require…` (administrators, import, resync). */
  readonly writer: SyncWriter | null;
}

export interface SyncWriter {
  /**
   * Changes whenever what is told of the writer does, so that the child may keep it: the same key
   * means the same writer.
   */
  readonly key: string;
  /** Asked where the child does not have it yet. */
  describe(): WriterDescription;
}

export interface WriterDescription {
  /** `` for the guest. */
  readonly name: string;
  readonly roles: readonly string[];
  /** Channels that the writer may read in this collection, `*` among them where it has it. */
  readonly channels: readonly string[];
}

export interface SyncOutcome {
  readonly rejection:
    | { readonly kind: 'forbidden' | 'unauthorized'; readonly reason: string }
    | undefined;
  /** Deduplicated, valid names. Empty where rejected. */
  readonly channels: readonly string[];
  /**
   * By `user` name or `role:NAME`, as written in the function: the channels that the document
   * grants.
   */
  readonly access: Readonly<Record<string, readonly string[]>>;
  /** By user name: the role names (without `role:`) that it grants. */
  readonly roles: Readonly<Record<string, readonly string[]>>;
  /** What the function gave to `expiry()`, as JSON text; undefined where it was not called. */
  readonly expiry: string | undefined;
  /**
   * Whether the function asked for the writer's rights (`requireUser`, `requireRole`,
   * `requireAccess`): then they are a precondition of the commit.
   */
  readonly askedForRights: boolean;
}
