import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';

import type { Cas } from '../../document/types.ts';
import type { Change, CollectionId, CommitResult } from '../bucket.ts';
import {
  docId,
  move,
  putDocument,
  putPrincipal,
  putRecord,
  recordKey,
} from '../contract/changes.ts';
import { seq } from '../contract/changes.ts';
import { OwnMutations } from './own-mutations.ts';

const c = 1 as CollectionId;
const result = (at: number): CommitResult => ({ ok: true, cas: at as Cas, seq: seq(at) });
const put = (key: string, ifCas: Cas | 'absent' = 'absent'): Change =>
  putDocument(c, key, { ifCas, channels: move(['x']) });

/** Sequences and keys that are told after `after` of calls with their sequences; 0 takes none. */
function told(
  after: number,
  ...calls: readonly (readonly (readonly [Change, number])[] | Error)[]
): string | undefined {
  const own = new OwnMutations();
  own.add(
    calls.map((call) => (call instanceof Error ? [put('failed')] : call.map(([one]) => one))),
    calls.map((call) => (call instanceof Error ? call : call.map(([, at]) => result(at)))),
  );
  const page = own.pageAfter(seq(after));
  if (page === undefined) return undefined;
  const keys = page.mutations.map((one) => (one.kind === 'document' ? one.key : ''));
  return `${page.mutations.map((one) => one.seq).join()} ${keys.join()} ${page.upTo}`;
}

test('a group is told to those who have read what is before it', () => {
  assert.equal(told(6, [[put('a'), 7]], [[put('b'), 8]]), '7,8 a,b 8');
  assert.equal(told(5, [[put('a'), 7]]), undefined);
  assert.equal(told(7, [[put('a'), 7]]), undefined);
  assert.equal(told(6, [[put('a'), 7]], new Error('it failed'), [[put('b'), 8]]), '7,8 a,b 8');
  assert.equal(told(6, [[putRecord(recordKey('r')), 0]], [[put('a'), 7]]), '7 a 7');
  assert.equal(told(6, [[put('a'), 7]], [[put('a', 7 as Cas), 8]]), '8 a 8');
  const batch: Change = { kind: 'batch', changes: [put('b') as never, put('c') as never] };
  assert.equal(told(6, [[put('a'), 7]], [[batch, 9]]), '7,8,9 a,b,c 9');
});

test('a group is not told where its changes do not tell all', () => {
  const purge: Change = { kind: 'purge', collection: c, key: docId('a') };
  assert.equal(told(6, [[put('a'), 7]], [[purge, 0]]), undefined);
  assert.equal(told(6, [[put('a'), 7]], [[put('b'), 9]]), undefined);
  assert.equal(told(6, [[put('a'), 7]], [[putPrincipal('user:u'), 8]]), undefined);
  assert.equal(told(6, [[putRecord(recordKey('r')), 0]]), undefined);
  const grants = putDocument(c, 'g', { grants: { database: 'db', grants: [] } });
  assert.equal(told(6, [[grants, 7]]), undefined);
  const batch: Change = { kind: 'batch', changes: [put('b') as never, purge] };
  assert.equal(told(6, [[batch, 7]]), undefined);
});

test('a group larger than a page, or with very many characters, is not told', () => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, at) => [put(`k${at}`), at + 1] as const);
  assert.ok(told(0, many(1000)) !== undefined);
  assert.equal(told(0, many(1000), [[put('more'), 1001]]), undefined);
  const long = putDocument(c, 'a', { channels: move(['x'.repeat(300_000)]) });
  assert.equal(told(0, [[long, 1]]), undefined);
});

test('a group is told only while its callers are', async () => {
  const own = new OwnMutations();
  own.add([[put('a')]], [[result(1)]]);
  await Promise.resolve();
  assert.equal(own.pageAfter(seq(0))?.upTo, 1);
  await setImmediate();
  assert.equal(own.pageAfter(seq(0)), undefined);
});
