import type { ChannelPeriod, ChannelStates } from './channel-state.ts';
import type { RevisionTree } from './revision-tree.ts';
import type { SyncMetadata } from './sync-metadata.ts';
import type { RevId, Sequence } from './types.ts';

/** What `rawMetadata` tells of a document. */
export interface RawSource {
  readonly rev: RevId;
  readonly seq: Sequence;
  readonly flags: number;
  readonly deleted: boolean;
  /** Unix seconds; 0: none. */
  readonly expiry: number;
  readonly metadata: SyncMetadata;
  /** `user:NAME` or `role:NAME`, and which channel or role it is given since when. */
  readonly grants: readonly RawGrant[];
  /** Of the document's state and of its stored body, as the store tells them. */
  readonly cas: string;
  readonly bodyChecksum: string;
  /** Where the versions come from: the bucket. */
  readonly origin: string;
}

export interface RawGrant {
  readonly principal: string;
  readonly kind: 'channel' | 'role';
  readonly target: string;
  readonly from: Sequence;
}

/**
 * The gateway's own part of a document in the form of the reference's 4.x `_xattrs` (`admin.md`
 * §10). `hide` turns names of channels, principals and attachments into what may be shown.
 *
 * NOTE: `recent_sequences` are those that the metadata still knows: of its channels, and its own.
 */
export function rawMetadata(
  source: RawSource,
  hide: (name: string) => string,
): Readonly<Record<string, unknown>> {
  const { metadata, deleted, cas, bodyChecksum } = source;
  const attachments = Object.entries(metadata.attachments);
  return {
    _globalSync:
      attachments.length === 0
        ? null
        : {
            attachments_meta: Object.fromEntries(
              attachments.map(([name, stub]) => [hide(name), { ...stub, stub: true, ver: 2 }]),
            ),
          },
    _mou: null,
    _sync: {
      rev: { rev: source.rev, src: source.origin, ver: cas },
      ...(source.flags === 0 ? {} : { flags: source.flags }),
      sequence: source.seq,
      recent_sequences: recentSequences(source),
      history: history(metadata.tree, hide),
      channels: channels(metadata, hide),
      channel_set: channelSet(metadata, hide),
      channel_set_history: pastChannels(metadata.pastChannels, hide),
      ...given(grantsTold(source), hide),
      ...(source.expiry === 0 ? {} : { exp: isoTime(source.expiry) }),
      ...(deleted ? { tombstoned_at: metadata.savedAt } : {}),
      time_saved: isoTime(metadata.savedAt),
      cas,
      value_crc32c: bodyChecksum,
    },
    $document: { CAS: cas, value_crc32c: bodyChecksum },
  };
}

/** When the document left which channels, as far as that is remembered: the earliest first. */
export function channelEnds(states: ChannelStates): ReadonlyMap<string, readonly Sequence[]> {
  const ends = new Map<string, Sequence[]>();
  const add = (channel: string, end: Sequence): void => {
    const known = ends.get(channel);
    if (known === undefined) ends.set(channel, [end]);
    else known.push(end);
  };
  for (const { channel, until } of states.pastChannels) add(channel, until);
  for (const [channel, { left }] of states.channels) if (left) add(channel, left.seq);
  return ends;
}

function recentSequences({ seq, metadata }: RawSource): readonly Sequence[] {
  const known = new Set([seq]);
  for (const { since, left } of metadata.channels.values()) {
    known.add(since);
    if (left !== undefined) known.add(left.seq);
  }
  for (const { from, until } of metadata.pastChannels) known.add(from).add(until);
  return [...known].toSorted((a, b) => a - b);
}

/** `parents` are indexes into `revs`, -1 for a first revision; `deleted` indexes of tombstones. */
function history(
  tree: RevisionTree,
  hide: (name: string) => string,
): Readonly<Record<string, unknown>> {
  const revisions = [...tree.revisions()];
  const indexes = new Map(revisions.map(({ rev }, index) => [rev, index]));
  const deleted = revisions.flatMap((revision, index) => (revision.deleted ? [index] : []));
  return {
    revs: revisions.map(({ rev }) => rev),
    parents: revisions.map(({ parent }) =>
      parent === undefined ? -1 : (indexes.get(parent) ?? -1),
    ),
    ...(deleted.length === 0 ? {} : { deleted }),
    channels: revisions.map((revision) => revision.channels?.map(hide) ?? null),
  };
}

function channels(
  metadata: SyncMetadata,
  hide: (name: string) => string,
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Array.from(metadata.channels, ([channel, { left }]) => [
      hide(channel),
      left === undefined
        ? null
        : { seq: left.seq, rev: { rev: left.rev }, ...(left.deleted ? { del: true } : {}) },
    ]),
  );
}

function channelSet(metadata: SyncMetadata, hide: (name: string) => string): readonly unknown[] {
  return [...metadata.channels]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([channel, { since, left }]) => ({
      name: hide(channel),
      start: since,
      ...(left === undefined ? {} : { end: left.seq }),
    }));
}

function pastChannels(
  periods: readonly ChannelPeriod[],
  hide: (name: string) => string,
): readonly unknown[] | null {
  if (periods.length === 0) return null;
  return periods.map(({ channel, from, until }) => ({
    name: hide(channel),
    start: from,
    end: until,
  }));
}

/** As recorded, a grant that a resync brought is told with the sequence of the revision. */
function grantsTold({ grants, metadata }: RawSource): readonly RawGrant[] {
  const { revisionSeq } = metadata;
  if (revisionSeq === undefined) return grants;
  return grants.map((grant) =>
    grant.from > revisionSeq ? { ...grant, from: revisionSeq } : grant,
  );
}

/** By user, or by role with the prefix `role:`; absent where nothing is given. */
function given(
  grants: readonly RawGrant[],
  hide: (name: string) => string,
): Readonly<Record<string, unknown>> {
  const access = new Map<string, [string, Sequence][]>();
  const roles = new Map<string, [string, Sequence][]>();
  for (const { principal, kind, target, from } of grants) {
    const isUser = principal.startsWith('user:');
    const name = principal.slice(principal.indexOf(':') + 1);
    const key = isUser ? hide(name) : `role:${hide(name)}`;
    const into = kind === 'channel' ? access : roles;
    const known = into.get(key) ?? [];
    known.push([hide(target), from]);
    into.set(key, known);
  }
  return {
    ...(access.size === 0 ? {} : { access: nested(access) }),
    ...(roles.size === 0 ? {} : { role_access: nested(roles) }),
  };
}

function nested(of: ReadonlyMap<string, [string, Sequence][]>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Array.from(of, ([key, pairs]) => [key, Object.fromEntries(pairs)]));
}

const isoTime = (unixSecs: number): string => new Date(unixSecs * 1000).toISOString();
