import type { Grant, Judgement, PrincipalKey } from '../bucket/bucket.ts';
import { parseExpiry } from '../document/expiry.ts';
import { renderDocument } from '../document/render-document.ts';
import type { DocId, RevId } from '../document/types.ts';
import { documentRejected, documentRouted, syncFunctionRan } from '../observability/events.ts';
import type { Reader } from '../principals/access.ts';
import { accessPrecondition } from '../principals/access.ts';
import type { SyncInput, SyncOutcome, SyncWriter } from '../sandbox/sandbox.ts';
import { GatewayError, isGatewayError } from '../util/errors.ts';
import type { CollectionContext } from './collection-context.ts';
import { nowSecs } from './collection-context.ts';
import { metaText } from './user-xattr.ts';

/** What the sync function is asked about. */
export interface Judged {
  readonly id: DocId;
  readonly rev: RevId;
  /** JSON text without reserved properties. */
  readonly body: string;
  readonly deleted: boolean;
  /** The revision that it comes from; undefined for a first one. */
  readonly parent:
    | { readonly rev: RevId; readonly body: string; readonly deleted: boolean }
    | undefined;
  readonly writer: Reader;
  /** Xattrs of the document, as JSON text; null: it has none. */
  readonly xattrs?: string | null;
  /**
   * Whether a rejection (or a broken function, unless it says otherwise) puts the revision into no
   * channel, instead of refusing it.
   */
  readonly mustPass?: boolean | 'unless broken';
}

/** What it said, and what must still hold when that is committed. */
export interface Verdict {
  readonly channels: readonly string[];
  readonly grants: readonly Grant[];
  /** Unix seconds, 0 for none; undefined where the function said nothing. */
  readonly expiry: number | undefined;
  /** The reason of a rejection that passes all the same; undefined: there was none. */
  readonly refused: string | undefined;
  readonly judgement: Judgement;
}

/**
 * Runs the collection's sync function over a revision. Throws `forbidden` or `unauthorized` where
 * it rejects, `functionFailed` where it breaks, `unavailable` where too many writes wait for it.
 */
export async function judgeRevision(context: CollectionContext, judged: Judged): Promise<Verdict> {
  const compiled = context.syncFunction.now;
  const startedAt = context.clock.now();
  let outcome: SyncOutcome;
  try {
    outcome = await compiled.run.run(inputOf(context, judged));
    functionRan(context, judged, { startedAt, error: undefined });
  } catch (cause) {
    if (!isGatewayError(cause, 'functionFailed')) throw cause;
    functionRan(context, judged, { startedAt, error: cause });
    if (judged.mustPass !== true) throw cause;
    outcome = NO_OUTCOME;
  }
  const { rejection } = outcome;
  if (rejection !== undefined && (judged.mustPass ?? false) === false) {
    documentRejected(context.observer, { id: judged.id, ...rejection });
    throw new GatewayError(rejection.kind, rejection.reason);
  }
  const { writer } = judged;
  const grants = grantsOf(context, outcome);
  documentRouted(
    context.observer,
    { id: judged.id, channels: outcome.channels, grants: grants.length },
    context.config.unsupported.warning_thresholds,
  );
  const judge = { record: compiled.record, cas: compiled.cas };
  const rights = writer.kind === 'user' && outcome.askedForRights ? writer.access : undefined;
  return {
    channels: outcome.channels,
    grants,
    expiry: expiryOf(context, outcome),
    refused: rejection?.reason,
    judgement:
      rights === undefined
        ? { function: judge }
        : { function: judge, access: accessPrecondition(context.database, rights) },
  };
}

function functionRan(
  { clock, observer }: CollectionContext,
  { id }: Judged,
  { startedAt, error }: { readonly startedAt: number; readonly error: GatewayError | undefined },
): void {
  const elapsedMs = clock.now() - startedAt;
  syncFunctionRan(observer, error === undefined ? { elapsedMs, id } : { elapsedMs, id, error });
}

const NO_OUTCOME: SyncOutcome = {
  rejection: undefined,
  channels: [],
  access: {},
  roles: {},
  expiry: undefined,
  askedForRights: false,
};

/** What the sync function is given of it. */
export function inputOf(context: CollectionContext, judged: Judged): SyncInput {
  const { id, parent } = judged;
  return {
    doc: renderDocument(judged),
    oldDoc: parent === undefined ? null : renderDocument({ id, ...parent }),
    meta: metaText(context, judged.xattrs ?? null),
    writer: writerOf(context, judged.writer),
  };
}

function writerOf({ database, id }: CollectionContext, writer: Reader): SyncWriter | null {
  if (writer.kind === 'admin') return null;
  const { access } = writer;
  return {
    key: `${database}/${id}/${access.version}/${access.name}`,
    describe: () => ({
      name: access.name,
      roles: [...access.roles.keys()],
      channels: [...access.channels(id).current.keys()],
    }),
  };
}

function grantsOf({ id }: CollectionContext, { access, roles }: SyncOutcome): readonly Grant[] {
  const grants: Grant[] = [];
  for (const [to, channels] of Object.entries(access)) {
    const principal: PrincipalKey = to.startsWith('role:') ? `role:${to.slice(5)}` : `user:${to}`;
    for (const target of channels)
      grants.push({ principal, kind: 'channel', collection: id, target });
  }
  for (const [user, names] of Object.entries(roles))
    for (const target of names)
      grants.push({ principal: `user:${user}`, kind: 'role', collection: NO_COLLECTION, target });
  return grants;
}

/** Roles are a database's, not a collection's. */
const NO_COLLECTION = 0 as Grant['collection'];

/** An expiry that is none is passed over, as the reference does: the write is good all the same. */
function expiryOf(context: CollectionContext, { expiry }: SyncOutcome): number | undefined {
  if (expiry === undefined) return undefined;
  try {
    return parseExpiry(JSON.parse(expiry), nowSecs(context));
  } catch (cause) {
    if (!isGatewayError(cause, 'badRequest')) throw cause;
    context.observer.log.warn('sync function gave an expiry that is none', { error: cause });
    return undefined;
  }
}
