import type { DocumentChange, Grant } from '../../bucket/bucket.ts';
import type { CollectionContext } from '../../database/collection-context.ts';
import { nowSecs } from '../../database/collection-context.ts';
import type { CurrentDocument } from '../../database/current-document.ts';
import { revisionBody } from '../../database/current-document.ts';
import type { Judged, Verdict } from '../../database/judge-revision.ts';
import { judgeRevision } from '../../database/judge-revision.ts';
import { routedXattrCrc } from '../../database/user-xattr.ts';
import { moveChannels, presentChannels } from '../../document/channel-state.ts';
import type { RevisionTree } from '../../document/revision-tree.ts';
import { allDigests, formatMetadata } from '../../document/sync-metadata.ts';
import type { RevId } from '../../document/types.ts';
import { GatewayError } from '../../util/errors.ts';

export interface RerouteOptions {
  /** As in the bucket. */
  readonly flags: number;
  /** Whether it has more leaves than the winner. */
  readonly isBranched: boolean;
  /** Whether it is written even where nothing changes. */
  readonly always: boolean;
}

/** Where the sync function puts a document as it is. */
export interface Routing {
  /** Of the winner. What the function refuses is in no channel, and grants nothing. */
  readonly verdict: Verdict;
  /** With the channels of the losing branches. */
  readonly branches: RevisionTree;
  /** Whether it is routed so already. */
  readonly stays: boolean;
}

/**
 * Runs the sync function over a document as it is: as by an administrator, without an old revision.
 * The change that routes it anew, for which no revision is made; undefined where it is routed so
 * already. Throws as `routingOf`.
 */
export async function reroute(
  context: CollectionContext,
  current: CurrentDocument,
  options: RerouteOptions,
): Promise<DocumentChange | undefined> {
  const { verdict, branches, stays } = await routingOf(context, current, options);
  if (stays && !options.always) return undefined;
  const { tree, dropped } = withoutSuperseded(
    branches.withChannels(current.rev, verdict.channels),
    current.rev,
  );
  return changeOf(context, current, { verdict, tree, dropped, flags: options.flags });
}

/**
 * What `reroute` finds, with nothing made of it. Throws `functionFailed` where the function breaks,
 * `corrupt`, and what the bucket throws.
 */
export async function routingOf(
  context: CollectionContext,
  current: CurrentDocument,
  { isBranched }: Pick<RerouteOptions, 'isBranched'>,
): Promise<Routing> {
  const { metadata, rev, deleted, body } = current;
  const verdict =
    body === null
      ? await judge(context, current, rev)
      : await judgeAs(context, current, { rev, deleted, body });
  const branches = isBranched
    ? await reroutedBranches(context, current, metadata.tree)
    : metadata.tree;
  const stays =
    branches === metadata.tree &&
    isSameSet(presentChannels(metadata), verdict.channels) &&
    (await isSameGrants(context, current, verdict.grants));
  return { verdict, branches, stays };
}

/**
 * For a document on which the function breaks: ends what it grants in the database that had its
 * collection before, whose users have nothing of it any more. Its channels stay. Undefined where it
 * grants nothing there.
 */
export async function withoutFormerGrants(
  context: CollectionContext,
  current: CurrentDocument,
  flags: number,
): Promise<DocumentChange | undefined> {
  const { metadata } = current;
  if (!metadata.grantsPresent) return undefined;
  const before = await context.bucket.grantsOf(context.id, current.key);
  if (before.every(({ database }) => database === context.database)) return undefined;
  const verdict = { channels: presentChannels(metadata), grants: [], expiry: undefined };
  return changeOf(context, current, { verdict, tree: metadata.tree, dropped: [], flags });
}

async function judge(
  context: CollectionContext,
  current: CurrentDocument,
  rev: RevId,
): Promise<Verdict> {
  const content = await revisionBody(context, current, rev);
  if (content === undefined)
    throw new GatewayError('corrupt', `the body of the leaf ${rev} of the document is gone`);
  const deleted = current.metadata.tree.get(rev)?.deleted === true;
  return judgeAs(context, current, { rev, deleted, body: content.body });
}

function judgeAs(
  context: CollectionContext,
  { key: id, xattrs }: CurrentDocument,
  revision: Pick<Judged, 'rev' | 'body' | 'deleted'>,
): Promise<Verdict> {
  return judgeRevision(context, {
    id,
    ...revision,
    parent: undefined,
    writer: { kind: 'admin' },
    xattrs,
    mustPass: 'unless broken',
  });
}

/** A losing leaf can be read by who has one of its channels: they are the new function's, too. */
async function reroutedBranches(
  context: CollectionContext,
  current: CurrentDocument,
  before: RevisionTree,
): Promise<RevisionTree> {
  let tree = before;
  for (const { rev, channels, keptBody } of before.leaves()) {
    if (rev === current.rev || keptBody === undefined) continue;
    const verdict = await judge(context, current, rev);
    if (!isSameSet(channels ?? [], verdict.channels))
      tree = tree.withChannels(rev, verdict.channels);
  }
  return tree;
}

/** Bodies of older revisions are kept for a while, for the channels that the old function gave. */
function withoutSuperseded(
  before: RevisionTree,
  winner: RevId,
): { readonly tree: RevisionTree; readonly dropped: readonly RevId[] } {
  const dropped: RevId[] = [];
  let tree = before;
  for (const { rev, keptBody } of before.revisions()) {
    if (keptBody === undefined || rev === winner || before.isLeaf(rev)) continue;
    tree = tree.withKeptBody(rev, undefined);
    dropped.push(rev);
  }
  return { tree, dropped };
}

function changeOf(
  context: CollectionContext,
  current: CurrentDocument,
  routed: {
    readonly verdict: Pick<Verdict, 'channels' | 'grants' | 'expiry'>;
    readonly tree: RevisionTree;
    readonly dropped: readonly RevId[];
    readonly flags: number;
  },
): DocumentChange {
  const { verdict, tree, dropped, flags } = routed;
  const { rev, deleted, seq: rowSeq } = current;
  const into = verdict.channels;
  const moved = moveChannels(current.metadata, { into, rev, deleted, rowSeq });
  const metadata = {
    ...current.metadata,
    tree,
    channels: moved.channels,
    pastChannels: moved.pastChannels,
    grantsPresent: verdict.grants.length > 0,
    savedAt: nowSecs(context),
    revisionSeq: current.metadata.revisionSeq ?? current.seq,
  };
  const { grants } = verdict;
  const hasGrants = grants.length > 0 || current.metadata.grantsPresent;
  const xattrCrc = routedXattrCrc(context, current.xattrs);
  return {
    kind: 'document',
    collection: context.id,
    key: current.key,
    ifCas: current.cas,
    body: null,
    keepsBody: true,
    expiry: deleted ? 0 : (verdict.expiry ?? current.expiry),
    rev,
    flags,
    metadata: formatMetadata(metadata),
    ...(xattrCrc === undefined ? {} : { xattrCrc }),
    channels: { in: moved.in, out: moved.out },
    ...(hasGrants ? { grants: { database: context.database, grants } } : {}),
    ...(dropped.length === 0
      ? {}
      : {
          dropBodies: dropped,
          attachments: Array.from(allDigests(metadata), ([digest, until]) => ({ digest, until })),
        }),
  };
}

async function isSameGrants(
  { bucket, id, database }: CollectionContext,
  { key, metadata }: CurrentDocument,
  grants: readonly Grant[],
): Promise<boolean> {
  if (!metadata.grantsPresent && grants.length === 0) return true;
  const before = await bucket.grantsOf(id, key);
  // They were made in another database where the collection was taken over from it.
  if (before.some((grant) => grant.database !== database)) return false;
  return isSameSet(before.map(textOf), grants.map(textOf));
}

const textOf = ({ principal, kind, collection, target }: Grant): string =>
  JSON.stringify([principal, kind, collection, target]);

function isSameSet(before: readonly string[], after: readonly string[]): boolean {
  if (before.length === 1 && after.length === 1) return before[0] === after[0];
  const [a, b] = [new Set(before), new Set(after)];
  return a.size === b.size && a.isSubsetOf(b);
}
