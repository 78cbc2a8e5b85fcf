import {
  FLAG,
  type Bucket,
  type CollectionId,
  type DocumentChange,
  type Grant,
  type PrincipalKey,
  type StoredDocument,
} from '../bucket/bucket.ts';
import { openBucketServer } from '../bucket/open-bucket.ts';
import { moveChannels, noChannels } from '../document/channel-state.ts';
import { createRevId } from '../document/rev-id.ts';
import { RevisionTree } from '../document/revision-tree.ts';
import { formatMetadata, parseMetadata } from '../document/sync-metadata.ts';
import {
  ZERO,
  type Attachments,
  type Cas,
  type DocId,
  type RevId,
  type Sequence,
} from '../document/types.ts';
import { silentLog } from '../observability/log.ts';
import { createMetrics } from '../observability/metrics.ts';
import type { Reader, UserAccess } from '../principals/access.ts';
import { effectiveAccess } from '../principals/effective-access.ts';
import { roleKey, userKey } from '../principals/principal-name.ts';
import { systemClock } from '../util/clock.ts';
import { GatewayError } from '../util/errors.ts';
import { ChangeCache, type ChangeCacheOptions } from './change-cache.ts';
import { ChangesFeed, type ChangesFeedOptions } from './changes-feed.ts';
import type { FeedRow } from './feed-row.ts';
import { START } from './sequence-id.ts';

/** For tests: a database `db` in a bucket of its own, written as the gateway writes it. */
export interface TestFeeds extends AsyncDisposable {
  readonly bucket: Bucket;
  readonly cache: ChangeCache;
  readonly collection: CollectionId;
  /** A new revision of a document. */
  put(key: string, channels?: readonly string[], options?: PutOptions): Promise<Written>;
  /** Two revisions in one commit: who reads afterwards never sees the first as the current one. */
  putTwice(key: string, first: readonly string[], second: readonly string[]): Promise<Sequence>;
  /** A tombstone, in no channel unless some are named. */
  remove(key: string, channels?: readonly string[]): Promise<Written>;
  user(name: string, channels: readonly string[], roles?: readonly string[]): Promise<Sequence>;
  role(name: string, channels: readonly string[]): Promise<Sequence>;
  removeUser(name: string): Promise<Sequence>;
  /** The administrator's feed where no name is given. */
  feed(name: string | undefined, options?: Partial<ChangesFeedOptions>): ChangesFeed;
  /** All rows that there are now, as text, and where they end. */
  rows(name: string | undefined, options?: Partial<ChangesFeedOptions>): Promise<readonly string[]>;
}

export interface PutOptions {
  readonly body?: string;
  readonly access?: readonly { readonly to: string; readonly channel: string }[];
  readonly attachments?: Attachments;
  /** The parent; the winner where it is absent. */
  readonly parent?: RevId;
}

export interface Written {
  readonly rev: RevId;
  readonly seq: Sequence;
}

export async function openTestFeeds(
  options: Partial<ChangeCacheOptions> & { readonly url?: string } = {},
): Promise<TestFeeds> {
  const log = silentLog;
  const clock = systemClock;
  const server = await openBucketServer(options.url ?? 'sqlite::memory:', { log, clock });
  const bucket = options.bucket ?? (await server.open('bucket', { create: true }));
  const collection = await bucket.openCollection('_default._default');
  const cache = await ChangeCache.start({ log, clock, ...options, bucket });
  const database = 'db';
  const observer = { database, log, metrics: createMetrics({ clock }) };
  const readers = new Map<string, UserAccess>();
  const reader = (name: string | undefined) => () => readerOf(bucket, name, readers);
  const feed: TestFeeds['feed'] = (name, given = {}) =>
    new ChangesFeed(
      { bucket, cache, collection, database, observer, reader: reader(name) },
      { ...DEFAULTS, ...given },
    );
  return {
    bucket,
    cache,
    collection,
    put: (key, channels = [], more = {}) =>
      write({ bucket, collection }, { ...more, key, channels, deleted: false }),
    putTwice: (key, first, second) => writeTwice({ bucket, collection }, key, [first, second]),
    remove: (key, channels = []) => write({ bucket, collection }, { key, channels, deleted: true }),
    user: (name, channels, roles = []) =>
      changePrincipal(bucket, userKey(name), [
        { kind: 'exists', target: '', collection: NONE, principal: userKey(name) },
        ...channels.map((target) => channelGrant(userKey(name), { target, collection })),
        ...roles.map((target): Grant => ({
          kind: 'role',
          target,
          collection: NONE,
          principal: userKey(name),
        })),
      ]),
    role: (name, channels) =>
      changePrincipal(bucket, roleKey(name), [
        { kind: 'exists', target: '', collection: NONE, principal: roleKey(name) },
        ...channels.map((target) => channelGrant(roleKey(name), { target, collection })),
      ]),
    removeUser: (name) => changePrincipal(bucket, userKey(name), undefined),
    feed,
    rows: async (name, given) => {
      using one = feed(name, given);
      return (await drain(one)).map(({ text }) => text);
    },
    [Symbol.asyncDispose]: async () => {
      await cache[Symbol.asyncDispose]();
      await bucket[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** What is there now, or up to the limit. */
export async function drain(feed: ChangesFeed): Promise<readonly FeedRow[]> {
  const rows: FeedRow[] = [];
  const signal = new AbortController().signal;
  for await (const page of feed.pages(signal, { follow: false })) rows.push(...page.rows);
  return rows;
}

const NONE = 0 as CollectionId;

const DEFAULTS: ChangesFeedOptions = {
  since: START,
  limit: 0,
  style: 'main_only',
  activeOnly: false,
  includeDocs: false,
  revocations: false,
};

interface Draft extends PutOptions {
  readonly key: string;
  readonly channels: readonly string[];
  readonly deleted: boolean;
}

async function write(
  { bucket, collection }: { readonly bucket: Bucket; readonly collection: CollectionId },
  draft: Draft,
): Promise<Written> {
  const key = draft.key as DocId;
  for (;;) {
    const before = await bucket.get(collection, key);
    const { change, rev } = nextState(before, { ...draft, collection });
    const [result] = await bucket.commit([change]);
    if (result?.ok === true) return { rev, seq: result.seq };
  }
}

async function writeTwice(
  { bucket, collection }: { readonly bucket: Bucket; readonly collection: CollectionId },
  text: string,
  [first, second]: readonly [readonly string[], readonly string[]],
): Promise<Sequence> {
  const key = text as DocId;
  for (;;) {
    const seq = ((await bucket.lastSequence()) + 1) as Sequence;
    // NOTE: knows that this adapter's CAS of a commit is its sequence.
    const cas = seq as number as Cas;
    const before = await bucket.get(collection, key);
    const draft = { key, collection, deleted: false };
    const one = nextState(before, { ...draft, channels: first, body: '{"n":1}' });
    const { body, expiry, rev, flags, metadata } = one.change;
    const crcs = { bodyCrc: undefined, xattrCrc: undefined };
    const stored = {
      key,
      cas,
      body,
      expiry,
      xattrs: null,
      metadata: { rev, seq, flags, cas, text: metadata, ...crcs },
    };
    const two = nextState(stored, { ...draft, channels: second, body: '{"n":2}' });
    const [, result] = await bucket.commit([one.change, two.change]);
    if (result?.ok === true) return result.seq;
  }
}

function nextState(
  before: StoredDocument | undefined,
  draft: Draft & { readonly collection: CollectionId },
): { readonly change: DocumentChange; readonly rev: RevId } {
  const { deleted, attachments = {}, body = '{}', collection, access } = draft;
  const known = before?.metadata && parseMetadata(before.metadata.text, before.metadata.seq);
  const tree = known?.tree ?? RevisionTree.empty;
  const parent = draft.parent ?? before?.metadata?.rev;
  const rev = createRevId(parent, `${body}${deleted}${tree.size}`);
  const grown = tree.insert(
    { rev, deleted, channels: draft.channels },
    parent === undefined ? [] : [parent],
  );
  const winner = grown.winner();
  const into = winner.rev === rev ? draft.channels : (winner.channels ?? []);
  const moved = moveChannels(known ?? noChannels, {
    into,
    rev: winner.rev,
    deleted: winner.deleted,
    rowSeq: before?.metadata?.seq ?? ZERO,
  });
  const flags =
    (winner.deleted ? FLAG.deleted : 0) |
    (grown.hasBranches ? FLAG.branched : 0) |
    (grown.isConflicted ? FLAG.conflict : 0);
  const { channels, pastChannels } = moved;
  const metadata = formatMetadata({
    tree: grown,
    channels,
    pastChannels,
    attachments,
    grantsPresent: access !== undefined,
    savedAt: 0,
  });
  return {
    rev,
    change: {
      kind: 'document',
      collection,
      key: draft.key as DocId,
      ifCas: before?.cas ?? 'absent',
      body: winner.deleted ? null : winner.rev === rev ? body : (before?.body ?? null),
      expiry: 0,
      rev: winner.rev,
      flags,
      metadata,
      channels: { in: moved.in, out: moved.out },
      grants: {
        database: 'db',
        grants: (access ?? []).map(({ to, channel: target }) =>
          channelGrant(to.startsWith('role:') ? roleKey(to.slice(5)) : userKey(to), {
            target,
            collection,
          }),
        ),
      },
    },
  };
}

function channelGrant(
  principal: PrincipalKey,
  channel: { readonly target: string; readonly collection: CollectionId },
): Grant {
  return { kind: 'channel', principal, ...channel };
}

/** Undefined grants: the principal is removed. */
async function changePrincipal(
  bucket: Bucket,
  principal: PrincipalKey,
  grants: readonly Grant[] | undefined,
): Promise<Sequence> {
  for (;;) {
    const { principals } = await bucket.readAccess('db', principal);
    const [result] = await bucket.commit([
      {
        kind: 'principal',
        database: 'db',
        principal,
        ifCas: principals[0]?.record?.cas ?? 'absent',
        value: grants === undefined ? null : '{}',
        grants: grants ?? [],
      },
    ]);
    if (result?.ok === true) return result.seq;
  }
}

/** As a database does it: an access is the same object for all who ask, while it holds. */
async function readerOf(
  bucket: Bucket,
  name: string | undefined,
  known: Map<string, UserAccess>,
): Promise<Reader> {
  if (name === undefined) return { kind: 'admin' };
  const before = known.get(name);
  if (before !== undefined && (await bucket.lastAccessChange('db')) <= before.asOf)
    return { kind: 'user', access: before };
  const snapshot = await bucket.readAccess('db', userKey(name));
  if (snapshot.principals[0]?.record === undefined) {
    known.delete(name);
    throw new GatewayError('unauthorized', 'there is no such user');
  }
  const access = effectiveAccess(snapshot);
  known.set(name, access);
  return { kind: 'user', access };
}
