import assert from 'node:assert/strict';
import { test } from 'node:test';

import { apply, type OpenBucket, putRecord, recordKey } from './changes.ts';

/** The contract of records. */
export function recordsContract(open: OpenBucket): void {
  test('a record is created, changed by its CAS, and removed', async () => {
    await using bucket = await open();
    const key = recordKey('r');
    const first = await apply(bucket, putRecord(key, { ifCas: 'absent', value: '{"v":1}' }));
    assert.deepEqual(await bucket.getRecord(key), {
      key,
      cas: first.cas,
      value: '{"v":1}',
      expiry: 0,
    });
    assert.deepEqual(await bucket.commit([putRecord(key, { ifCas: 'absent' })]), [
      { ok: false, failed: 'cas', actualCas: first.cas },
    ]);
    const second = await apply(bucket, putRecord(key, { ifCas: first.cas, value: '{"v":2}' }));
    assert.notEqual(second.cas, first.cas);
    await apply(bucket, putRecord(key, { ifCas: second.cas, value: null }));
    assert.equal(await bucket.getRecord(key), undefined);
    assert.deepEqual(await bucket.commit([putRecord(key, { ifCas: second.cas })]), [
      { ok: false, failed: 'cas', actualCas: 'absent' },
    ]);
    await apply(bucket, putRecord(key));
    await apply(bucket, putRecord(key));
    assert.equal(await bucket.lastSequence(), 0);
  });

  test('records of another kind, database or id are others', async () => {
    await using bucket = await open();
    await apply(bucket, putRecord(recordKey('r', 'k', 'd')));
    for (const key of [
      recordKey('r', 'k', ''),
      recordKey('r', 'j', 'd'),
      recordKey('', 'k', 'd'),
    ]) {
      assert.equal(await bucket.getRecord(key), undefined);
    }
  });

  test('a record may depend on another one', async () => {
    await using bucket = await open();
    const [lease, work] = [recordKey('lease'), recordKey('work')];
    const { cas } = await apply(bucket, putRecord(lease));
    await apply(bucket, putRecord(work, { ifRecord: { record: lease, cas } }));
    await apply(bucket, putRecord(lease));
    const failed = [{ ok: false, failed: 'record' }];
    const stale = putRecord(work, { ifRecord: { record: lease, cas } });
    assert.deepEqual(await bucket.commit([stale]), failed);
    const absent = putRecord(work, { ifRecord: { record: lease, cas: 'absent' } });
    assert.deepEqual(await bucket.commit([absent]), failed);
  });

  test('the version of a kind of records is another one after each change of them', async () => {
    await using bucket = await open();
    const versionOf = () => bucket.recordsVersion({ kind: 'k', database: 'd' });
    const versions = [await versionOf()];
    for (const [id, value] of [
      ['a', '1'],
      ['b', '1'],
      ['a', '2'],
      ['a', null],
      ['a', '1'],
      ['b', null],
      ['a', null],
      ['b', '1'],
    ] as const) {
      await apply(bucket, putRecord(recordKey(id, 'k', 'd'), { value }));
      const version = await versionOf();
      assert.notEqual(version, versions.at(-1));
      versions.push(version);
    }
    await apply(bucket, putRecord(recordKey('c', 'j', 'd')));
    await apply(bucket, putRecord(recordKey('c', 'k', '')));
    assert.equal(await versionOf(), versions.at(-1), 'others do not matter');
    assert.equal(bucket.trouble, undefined);
  });

  test('the last change of records is another one after each write and removal', async () => {
    await using bucket = await open();
    const lastChange = async (): Promise<number> => (await bucket.lastChanges('db')).records;
    const told = [await lastChange()];
    for (const value of ['1', '2', null, '1']) {
      await apply(bucket, putRecord(recordKey('a'), { value }));
      const now = await lastChange();
      assert(!told.includes(now));
      told.push(now);
    }
    assert.equal(await lastChange(), told.at(-1), 'the same as long as none was');
  });

  test('a record that is past its expiry is absent', async () => {
    await using bucket = await open();
    const key = recordKey('r');
    await apply(bucket, putRecord(key, { expiry: 1 }));
    assert.equal(await bucket.getRecord(key), undefined);
    await apply(bucket, putRecord(key, { ifCas: 'absent', expiry: 4e9 }));
    assert.equal((await bucket.getRecord(key))?.expiry, 4e9);
  });

  test('records are listed in the order of their ids, page by page', async () => {
    await using bucket = await open();
    const ids = ['', 'B', 'a', 'ab', 'b', 'ü'];
    await bucket.commit([
      ...ids.toReversed().map((id) => putRecord(recordKey(id))),
      putRecord(recordKey('other', 'another kind')),
      putRecord(recordKey('aa'), { expiry: 1 }),
    ]);
    const list = async (options: object): Promise<readonly string[]> => {
      const range = { kind: 'thing', database: 'db', limit: 10, ...options };
      return (await bucket.listRecords(range)).map(({ key }) => key.id);
    };
    assert.deepEqual(await list({}), ids);
    assert.deepEqual(await list({ limit: 2 }), ['', 'B']);
    assert.deepEqual(await list({ after: 'B', limit: 2 }), ['a', 'ab']);
    assert.deepEqual(await list({ after: '' }), ids.slice(1));
  });

  test('removeExpired removes records in bounded steps', async () => {
    await using bucket = await open();
    const ids = Array.from({ length: 900 }, (_, at) => `${at}`);
    await bucket.commit(ids.map((id) => putRecord(recordKey(id), { expiry: 3_000_000_000 })));
    await apply(bucket, putRecord(recordKey('stays')));
    let steps = 0;
    while (await bucket.removeExpired(3_000_000_001, 60)) steps += 1;
    assert.ok(steps > 0);
    const left = await bucket.listRecords({ kind: 'thing', database: 'db', limit: 1000 });
    assert.deepEqual(
      left.map(({ key }) => key.id),
      ['stays'],
    );
  });
}
