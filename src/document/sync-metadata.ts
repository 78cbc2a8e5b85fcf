import { GatewayError, isGatewayError } from '../util/errors.ts';
import type { ChannelLeft, ChannelPeriod, ChannelState, ChannelStates } from './channel-state.ts';
import { presentChannels } from './channel-state.ts';
import { RevisionTree } from './revision-tree.ts';
import type { TreeText } from './tree-text.ts';
import { formatTree, NO_FILES, parseTree } from './tree-text.ts';
import type { Attachments, Digest, RevId, Sequence } from './types.ts';
import { sequence } from './types.ts';

/**
 * What the gateway knows of a document beside its body: the `text` of the bucket's StoredMetadata.
 *
 * A change does not know the sequence that its commit will give it. So 0 in the text stands for the
 * sequence of the row that holds it, and reading puts that in: a text that is written again, in a
 * later row, has the numbers.
 */
export interface SyncMetadata extends ChannelStates {
  /** Read from the text when it is first asked. */
  readonly tree: RevisionTree;
  /** Of the winning revision. */
  readonly attachments: Attachments;
  /** Whether the document grants channels or roles to somebody. */
  readonly grantsPresent: boolean;
  /** When the last change was made, Unix seconds. */
  readonly savedAt: number;
  /**
   * Where the winning revision was written, where that is not the sequence of the row: a resync
   * gave the document a later one.
   */
  readonly revisionSeq?: Sequence;
}

/** JSON: only what is not empty is there. A document in a channel or two takes about 80 bytes. */
interface MetadataText extends Partial<TreeText> {
  readonly at: number;
  readonly written?: number;
  readonly grants?: 1;
  readonly in?: Readonly<Record<string, number>>;
  /** since, left, revision, 1 where that was a deletion. */
  readonly out?: Readonly<Record<string, readonly [number, number, string, 1?]>>;
  readonly past?: readonly (readonly [string, number, number])[];
  readonly att?: Attachments;
  readonly tree: string;
}

/** `seq`: the sequence of the row. Throws `corrupt` where the text has not this form. */
export function parseMetadata(text: string, seq: Sequence): SyncMetadata {
  const stored = parseText(text);
  try {
    return readMetadata(stored, seq);
  } catch (cause) {
    // A part of another form than the types say is met where it is first used.
    throw isGatewayError(cause) ? cause : corrupt(cause);
  }
}

function readMetadata(stored: MetadataText, seq: Sequence): SyncMetadata {
  const told = (value: number): Sequence => {
    if (value === 0) return seq;
    if (Number.isSafeInteger(value) && value > 0) return sequence(value);
    throw corrupt(undefined);
  };
  const channels = new Map<string, ChannelState>();
  for (const [channel, since] of Object.entries(stored.in ?? {})) {
    channels.set(channel, { since: told(since) });
  }
  const present = channels.size === 0 ? [] : [...channels.keys()];
  for (const [channel, [since, left, rev, deleted]] of Object.entries(stored.out ?? {})) {
    if (typeof rev !== 'string') throw corrupt(undefined);
    const then: ChannelLeft = { seq: told(left), rev: rev as RevId, deleted: deleted === 1 };
    channels.set(channel, { since: told(since), left: then });
  }
  const past = stored.past ?? [];
  const { tree, sets = [], files = NO_FILES } = stored;
  const metadata: SyncMetadata = {
    tree: RevisionTree.stored(() => parseTree({ tree, sets, files }, present)),
    channels,
    pastChannels: past.map(([channel, from, until]): ChannelPeriod => ({
      channel,
      from: told(from),
      until: told(until),
    })),
    attachments: stored.att === undefined ? {} : checkedAttachments(stored.att),
    grantsPresent: stored.grants === 1,
    savedAt: stored.at,
  };
  if (stored.written === undefined) return metadata;
  return { ...metadata, revisionSeq: told(stored.written) };
}

/** The text that `parseMetadata` reads. */
export function formatMetadata(metadata: SyncMetadata): string {
  const { tree, sets, files } = formatTree(metadata.tree, presentChannels(metadata));
  let text = `{"at":${metadata.savedAt}`;
  if (metadata.revisionSeq !== undefined) text += `,"written":${metadata.revisionSeq}`;
  if (metadata.grantsPresent) text += ',"grants":1';
  text += formatChannels(metadata);
  if (!isEmpty(metadata.attachments)) text += `,"att":${JSON.stringify(metadata.attachments)}`;
  if (sets.length > 0) text += `,"sets":${JSON.stringify(sets)}`;
  if (!isEmpty(files)) text += `,"files":${JSON.stringify(files)}`;
  // Nothing in a tree needs an escape: see `parseRevId`.
  return `${text},"tree":"${tree}"}`;
}

/**
 * All digests that the document refers to, in the winner or a kept body, each with the Unix seconds
 * at which the last of them expires; 0: never by itself.
 */
export function allDigests(metadata: SyncMetadata): ReadonlyMap<Digest, number> {
  const digests = new Map<Digest, number>();
  for (const { digest } of Object.values(metadata.attachments)) digests.set(digest, 0);
  for (const { keptBody } of metadata.tree.revisions()) {
    if (keptBody === undefined) continue;
    for (const digest of keptBody.digests) {
      const known = digests.get(digest);
      const isLonger = known === undefined || (known > 0 && keptBody.expiry > known);
      if (isLonger || keptBody.expiry === 0) digests.set(digest, keptBody.expiry);
    }
  }
  return digests;
}

/** Whether `allDigests` has any. */
export function hasDigests({ attachments, tree }: SyncMetadata): boolean {
  const inRuns = tree.runs.some(({ line }) =>
    line.some(({ keptBody }) => keptBody !== undefined && keptBody.digests.length > 0),
  );
  return inRuns || !isEmpty(attachments);
}

function formatChannels(states: ChannelStates): string {
  let present = '';
  let gone = '';
  for (const [channel, { since, left }] of states.channels) {
    const name = JSON.stringify(channel);
    if (left === undefined) present += `${present === '' ? '' : ','}${name}:${since}`;
    else {
      const deleted = left.deleted ? ',1' : '';
      const separator = gone === '' ? '' : ',';
      gone += `${separator}${name}:[${since},${left.seq},"${left.rev}"${deleted}]`;
    }
  }
  let text = present === '' ? '' : `,"in":{${present}}`;
  if (gone !== '') text += `,"out":{${gone}}`;
  if (states.pastChannels.length > 0) {
    const past = states.pastChannels.map(({ channel, from, until }) => [channel, from, until]);
    text += `,"past":${JSON.stringify(past)}`;
  }
  return text;
}

function parseText(text: string): MetadataText {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw corrupt(cause);
  }
  if (!isMetadataText(value)) throw corrupt(undefined);
  return value;
}

/** Only this module writes these texts: a glance tells what is none. */
function isMetadataText(value: unknown): value is MetadataText {
  if (typeof value !== 'object' || value === null) return false;
  if (!('tree' in value) || !('at' in value)) return false;
  return typeof value.tree === 'string' && typeof value.at === 'number';
}

function checkedAttachments(attachments: Attachments): Attachments {
  for (const { digest, length, revpos } of Object.values(attachments))
    if (typeof digest !== 'string' || !Number.isInteger(length) || !Number.isInteger(revpos))
      throw corrupt(undefined);
  return attachments;
}

function isEmpty(record: Readonly<Record<string, unknown>>): boolean {
  for (const key in record) if (Object.hasOwn(record, key)) return false;
  return true;
}

function corrupt(cause: unknown): GatewayError {
  return new GatewayError('corrupt', 'The stored metadata of a document is unreadable', { cause });
}
