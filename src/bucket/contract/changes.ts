import assert from 'node:assert/strict';

import type { Cas, DocId, RevId, Sequence } from '../../document/types.ts';
import { must } from '../../util/assert.ts';
import type {
  Bucket,
  ChannelRequest,
  CollectionId,
  CommitResult,
  DocumentChange,
  Grant,
  PrincipalKey,
  RecordChange,
} from '../bucket.ts';
import type { PrincipalChange } from '../principal-change.ts';
import type { RecordKey } from '../records.ts';

/** Opens an empty bucket of its own, which is gone when it is disposed. */
export type OpenBucket = () => Promise<Bucket>;

/** The changes of the contract's tests: what a test does not say is as plain as can be. */
export const docId = (text: string): DocId => text as DocId;
export const revId = (text: string): RevId => text as RevId;
export const seq = (value: number): Sequence => value as Sequence;
export const NO_COLLECTION = 0 as CollectionId;

type DocumentOptions = Partial<Omit<DocumentChange, 'kind' | 'collection' | 'key'>>;

export function putDocument(
  collection: CollectionId,
  key: string,
  options: DocumentOptions = {},
): DocumentChange {
  return {
    kind: 'document',
    collection,
    key: docId(key),
    ifCas: 'absent',
    body: '{"plain":true}',
    expiry: 0,
    rev: revId('1-a'),
    flags: 0,
    metadata: '{}',
    channels: { in: [], out: [] },
    ...options,
  };
}

/** Into and out of channels; the store finds the entries that are replaced by itself. */
export function move(inside: readonly string[], out: readonly string[] = []) {
  const entry = (channel: string): { channel: string; replaces: Sequence } => ({
    channel,
    replaces: seq(0),
  });
  return { in: inside.map(entry), out: out.map(entry) };
}

export function recordKey(id: string, kind = 'thing', database = 'db'): RecordKey {
  return { kind, database, id };
}

export function putRecord(
  record: RecordKey,
  options: Partial<Omit<RecordChange, 'kind' | 'record'>> = {},
): RecordChange {
  return { kind: 'record', record, value: '{}', expiry: 0, ...options };
}

export function putPrincipal(
  principal: PrincipalKey,
  options: Partial<Omit<PrincipalChange, 'kind' | 'principal'>> = {},
): PrincipalChange {
  return {
    kind: 'principal',
    database: 'db',
    principal,
    ifCas: 'absent',
    value: '{}',
    grants: [],
    ...options,
  };
}

export function channelGrant(
  principal: PrincipalKey,
  collection: CollectionId,
  target: string,
): Grant {
  return { principal, kind: 'channel', collection, target };
}

export function roleGrant(principal: PrincipalKey, target: string): Grant {
  return { principal, kind: 'role', collection: NO_COLLECTION, target };
}

/** A request of everything in these channels. */
export function channelRequest(
  collection: CollectionId,
  channels: ChannelRequest['channels'],
  options: Partial<ChannelRequest> = {},
): ChannelRequest {
  return {
    collection,
    channels,
    after: seq(0),
    limit: 1000,
    bodies: false,
    branches: false,
    ...options,
  };
}

/** Commits one change that must be applied. */
export async function apply(
  bucket: Bucket,
  change: Parameters<Bucket['commit']>[0][number],
): Promise<{ readonly cas: Cas; readonly seq: Sequence }> {
  const [result] = await bucket.commit([change]);
  return applied(result);
}

export function applied(result: CommitResult | undefined): {
  readonly cas: Cas;
  readonly seq: Sequence;
} {
  const told = must(result, 'a commit gives a result for each change');
  assert.ok(told.ok, `not applied: ${JSON.stringify(told)}`);
  return told;
}

export async function bytesOf(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

export async function* pieces(
  ...all: readonly (Uint8Array | string)[]
): AsyncGenerator<Uint8Array> {
  for (const piece of all) {
    await Promise.resolve();
    yield typeof piece === 'string' ? Buffer.from(piece) : piece;
  }
}
