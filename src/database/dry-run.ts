import { parseExpiry } from '../document/expiry.ts';
import { parseDocId } from '../document/doc-id.ts';
import { parseDocument } from '../document/parsed-document.ts';
import { createRevId } from '../document/rev-id.ts';
import type { DocId, RevId } from '../document/types.ts';
import type { Reader } from '../principals/access.ts';
import type { SyncTrace } from '../sandbox/sandbox.ts';
import { GatewayError, isGatewayError } from '../util/errors.ts';
import type { CollectionContext } from './collection-context.ts';
import { nowSecs } from './collection-context.ts';
import type { CurrentDocument } from './current-document.ts';
import { loadDocument, revisionBody } from './current-document.ts';
import type { Judged } from './judge-revision.ts';
import { inputOf } from './judge-revision.ts';

/** The document that a function is tried on. */
export interface TriedDocument {
  /** JSON text; absent: the one that is stored under `docId`, without an old revision. */
  readonly doc?: string | undefined;
  readonly docId?: string | undefined;
  /** JSON text of the old revision, null for none; absent: what is stored, where `doc` is given. */
  readonly oldDoc?: string | null | undefined;
  /** JSON text of the third argument; absent: as for a write. */
  readonly meta?: string | undefined;
}

export interface SyncDryRunRequest extends TriedDocument {
  readonly writer: Reader;
  /** Of the function; absent: the one that rules the collection. */
  readonly source?: string | undefined;
}

export interface FilterDryRunRequest extends TriedDocument {
  readonly source: string;
}

/** What a function did with a document; nothing of it was stored. */
interface DryRun {
  readonly id: DocId;
  readonly rev: RevId;
  /** Where it broke: the message, with line and column where they are known. */
  readonly exception?: {
    readonly message: string;
    readonly line?: number;
    readonly column?: number;
  };
  /** What it wrote with `log` and `console`. */
  readonly log: SyncTrace['log'];
  /** From the call to the answer, with the wait for other calls. */
  readonly elapsedMs: number;
}

export interface SyncDryRun extends DryRun {
  readonly channels: readonly string[];
  readonly access: Readonly<Record<string, readonly string[]>>;
  readonly roles: Readonly<Record<string, readonly string[]>>;
  /** Unix seconds, 0 for never; absent where it said nothing, or nothing that is an expiry. */
  readonly expiry?: number;
  readonly rejection?: {
    readonly kind: 'forbidden' | 'unauthorized';
    readonly reason: string;
  };
}

export interface FilterDryRun extends DryRun {
  readonly accepts: boolean;
}

/**
 * Runs a sync function over a document as a write would, and changes nothing, not even a counter.
 * Throws `badRequest` for what is no document and for a source that does not compile, `missing`
 * where the stored document is not there.
 */
export async function dryRunSyncFunction(
  context: CollectionContext,
  request: SyncDryRunRequest,
): Promise<SyncDryRun> {
  const { trace, ...run } = await tried(context, request, {
    writer: request.writer,
    source: request.source,
  });
  const { outcome } = trace;
  const expiry = outcome?.expiry === undefined ? undefined : expiryIn(context, outcome.expiry);
  return {
    ...run,
    channels: outcome?.channels ?? [],
    access: outcome?.access ?? {},
    roles: outcome?.roles ?? {},
    ...(expiry === undefined ? {} : { expiry }),
    ...(outcome?.rejection === undefined ? {} : { rejection: outcome.rejection }),
  };
}

/** The same for a function that says yes or no to a document. Throws as `dryRunSyncFunction`. */
export async function dryRunFilter(
  context: CollectionContext,
  request: FilterDryRunRequest,
): Promise<FilterDryRun> {
  const { trace, ...run } = await tried(context, request, {
    writer: { kind: 'admin' },
    source: request.source,
  });
  const rejection = trace.outcome?.rejection;
  if (rejection === undefined) return { ...run, accepts: trace.truthy };
  return { ...run, accepts: false, exception: { message: `threw: ${rejection.reason}` } };
}

async function tried(
  context: CollectionContext,
  document: TriedDocument,
  by: { readonly writer: Reader; readonly source: string | undefined },
): Promise<DryRun & { readonly trace: SyncTrace }> {
  const judged = { ...(await revisionOf(context, document)), writer: by.writer };
  using other = by.source === undefined ? undefined : await context.syncFunction.other(by.source);
  const { run } = (other ?? context.syncFunction).now;
  const { meta } = document;
  const input = { ...inputOf(context, judged), ...(meta === undefined ? {} : { meta }) };
  const startedAt = context.clock.now();
  const trace = await run.trace(input);
  const { failure, log } = trace;
  return {
    id: judged.id,
    rev: judged.rev,
    ...(failure === undefined ? {} : { exception: exceptionOf(failure) }),
    log,
    elapsedMs: context.clock.now() - startedAt,
    trace,
  };
}

function exceptionOf({ message, details }: GatewayError): NonNullable<DryRun['exception']> {
  const { line, column } = details;
  if (typeof line !== 'number' || typeof column !== 'number') return { message };
  return { message, line, column };
}

/** What an id that nobody named is in a dry run. */
const UNNAMED = 'unnamed';

async function revisionOf(
  context: CollectionContext,
  { doc, docId, oldDoc }: TriedDocument,
): Promise<Omit<Judged, 'writer'>> {
  const parsed = doc === undefined ? undefined : parseDocument(doc);
  if (parsed?.id !== undefined && docId !== undefined && parsed.id !== docId)
    throw new GatewayError('badRequest', 'the _id of doc is not doc_id');
  const named = docId ?? parsed?.id;
  if (parsed === undefined && named === undefined)
    throw new GatewayError('badRequest', 'give the document as doc, or name a stored one: doc_id');
  const id = parseDocId(named ?? UNNAMED);
  const current = named === undefined ? undefined : await loadDocument(context, id);
  const given = oldDoc === undefined || oldDoc === null ? undefined : givenParent(oldDoc);
  if (parsed !== undefined) {
    const stored = current === undefined ? undefined : await winnerOf(context, current);
    const parent = oldDoc === undefined ? stored : given;
    const { body, deleted, canonical } = parsed;
    return { id, rev: createRevId(parent?.rev, canonical), body, deleted, parent };
  }
  if (current === undefined) throw new GatewayError('missing', `there is no document ${id}`);
  return { id, ...(await winnerOf(context, current)), parent: given };
}

type Revision = NonNullable<Judged['parent']>;

async function winnerOf(context: CollectionContext, current: CurrentDocument): Promise<Revision> {
  const { rev, deleted } = current;
  const content = await revisionBody(context, current, rev);
  return { rev, deleted, body: content?.body ?? '{}' };
}

function givenParent(text: string): Revision {
  const { rev, body, deleted, canonical } = parseDocument(text);
  return { rev: rev ?? createRevId(undefined, canonical), body, deleted };
}

/** What is no expiry is passed over, as for a write. */
function expiryIn(context: CollectionContext, text: string): number | undefined {
  try {
    return parseExpiry(JSON.parse(text), nowSecs(context));
  } catch (cause) {
    if (!isGatewayError(cause, 'badRequest')) throw cause;
    return undefined;
  }
}
