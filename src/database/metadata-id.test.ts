import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claimRouting } from './collection-routing.ts';
import type { DatabaseRecord } from './database-record.ts';
import { metadataIdOf, withMetadataId } from './metadata-id.ts';
import { openTestRegistries } from './test-registries.ts';

const AT = '2026-01-01T00:00:00.000Z';

function record(name: string, collections: readonly string[], metadataId?: string): DatabaseRecord {
  const given = {
    scopes: { s: { collections: Object.fromEntries(collections.map((c) => [c, {}])) } },
  };
  return { name, given, createdAt: AT, updatedAt: AT, ...(metadataId && { metadataId }) };
}

test('a database has the metadata id of its collections, its name, or a further one', async () => {
  await using opened = await openTestRegistries();
  const { bucket } = opened;
  await claimRouting(bucket, 'first', ['s.a', 's.b']);
  const idOf = async (of: DatabaseRecord, ...others: readonly DatabaseRecord[]) =>
    metadataIdOf(await withMetadataId(of, bucket, others));
  assert.equal(await idOf(record('new', ['z'])), 'new', 'its name');
  assert.equal(await idOf(record('new', ['z', 'b'])), 'first', 'that of a deleted one');
  assert.equal(await idOf(record('new', ['b']), record('first', ['a'])), 'new', 'that is not free');
  const renamed = record('renamed', ['a'], 'first');
  assert.equal(await idOf(record('first', ['b']), renamed), 'first:2');
  assert.equal(await idOf(record('first', ['b']), renamed, record('x', [], 'first:2')), 'first:3');
  assert.equal(await idOf(record('first', ['b']), record('first', ['b'])), 'first', 'its own');
  assert.equal((await withMetadataId(record('new', ['z']), bucket, [])).metadataId, undefined);
});
