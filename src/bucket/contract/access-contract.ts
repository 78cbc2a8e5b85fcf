import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Cas } from '../../document/types.ts';
import type { AccessSnapshot, Bucket, Grant, PrincipalKey } from '../bucket.ts';
import {
  apply,
  channelGrant,
  docId,
  NO_COLLECTION,
  type OpenBucket,
  putDocument,
  putPrincipal,
  roleGrant,
} from './changes.ts';

/** `kind target source from-until` of each grant of one principal. */
function grantsIn(snapshot: AccessSnapshot, principal: PrincipalKey): readonly string[] {
  const found = snapshot.principals.find((stored) => stored.principal === principal);
  return (found?.grants ?? []).map(
    ({ kind, target, source, from, until }) => `${kind} ${target} ${source} ${from}-${until}`,
  );
}

async function grantsOf(bucket: Bucket, principal: PrincipalKey): Promise<readonly string[]> {
  return grantsIn(await bucket.readAccess('db', principal), principal);
}

const inDb = (...grants: readonly Grant[]) => ({ database: 'db', grants });

/** The contract of principals and grants. */
export function accessContract(open: OpenBucket): void {
  test('a principal that nobody named is there, with nothing', async () => {
    await using bucket = await open();
    assert.deepEqual(await bucket.readAccess('db', 'user:ann'), {
      principals: [{ principal: 'user:ann', record: undefined, accessVersion: 0, grants: [] }],
      asOf: 0,
    });
    assert.equal(await bucket.lastAccessChange('db'), 0);
    assert.equal(await bucket.lastAccessChange('db', ['user:ann']), 0);
  });

  test('a principal is created, changed by its CAS, and removed', async () => {
    await using bucket = await open();
    const created = await apply(bucket, putPrincipal('user:ann', { value: '{"v":1}' }));
    assert.deepEqual(await bucket.commit([putPrincipal('user:ann')]), [
      { ok: false, failed: 'cas', actualCas: created.cas },
    ]);
    const change = { ifCas: created.cas, value: '{"v":2}' };
    const changed = await apply(bucket, putPrincipal('user:ann', change));
    const { principals } = await bucket.readAccess('db', 'user:ann');
    assert.deepEqual(principals[0]?.record, {
      value: '{"v":2}',
      cas: changed.cas,
      seq: changed.seq,
    });
    const other = await bucket.readAccess('other', 'user:ann');
    assert.equal(other.principals[0]?.record, undefined);
    await apply(bucket, putPrincipal('user:ann', { ifCas: changed.cas, value: null }));
    const gone = await bucket.readAccess('db', 'user:ann');
    assert.equal(gone.principals[0]?.record, undefined);
    assert.equal(gone.principals[0]?.accessVersion, 3);
    await apply(bucket, putPrincipal('user:ann'));
  });

  test('grants begin, go on and end with what their source names', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const x = channelGrant('user:ann', c, 'x');
    const y = channelGrant('user:ann', c, 'y');
    const first = await apply(bucket, putDocument(c, 'd', { grants: inDb(x) }));
    const second = await apply(
      bucket,
      putDocument(c, 'd', { ifCas: first.cas, grants: inDb(x, y, y) }),
    );
    await apply(bucket, putPrincipal('user:ann', { grants: [x] }));
    assert.deepEqual(await grantsOf(bucket, 'user:ann'), [
      'channel x d 1-0',
      'channel y d 2-0',
      'channel x  3-0',
    ]);
    const fourth = await apply(bucket, putDocument(c, 'd', { ifCas: second.cas, grants: inDb(y) }));
    assert.deepEqual(await grantsOf(bucket, 'user:ann'), [
      'channel x d 1-4',
      'channel y d 2-0',
      'channel x  3-0',
    ]);
    await apply(bucket, putDocument(c, 'd', { ifCas: fourth.cas, grants: inDb(x) }));
    assert.deepEqual(await grantsOf(bucket, 'user:ann'), [
      'channel x d 1-4',
      'channel y d 2-5',
      'channel x  3-0',
      'channel x d 5-0',
    ]);
  });

  test('an administrator who names no grant ends his own alone', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const x = channelGrant('user:ann', c, 'x');
    const exists = {
      principal: 'user:ann',
      kind: 'exists',
      collection: NO_COLLECTION,
      target: '',
    } as const;
    await apply(bucket, putDocument(c, 'd', { grants: inDb(x) }));
    const { cas } = await apply(bucket, putPrincipal('user:ann', { grants: [x, exists] }));
    await apply(bucket, putPrincipal('user:ann', { ifCas: cas, value: null, grants: [] }));
    assert.deepEqual(await grantsOf(bucket, 'user:ann'), [
      'channel x d 1-0',
      'channel x  2-3',
      'exists   2-3',
    ]);
  });

  test('what a token gives stays until another one says otherwise, and ends with the user', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const x = channelGrant('user:ann', c, 'x');
    const y = channelGrant('user:ann', c, 'y');
    const put = (ifCas: Cas | 'absent', options: object) =>
      apply(bucket, putPrincipal('user:ann', { ifCas, grants: [x], ...options }));
    const one = await put('absent', { claimed: { issuer: 'i', grants: [x, y] } });
    const all = ['channel x  1-0', 'channel x i 1-0', 'channel y i 1-0'];
    assert.deepEqual(await grantsOf(bucket, 'user:ann'), all);
    const two = await put(one.cas, {});
    assert.deepEqual(await grantsOf(bucket, 'user:ann'), all);
    const three = await put(two.cas, { grants: [], claimed: { issuer: 'i', grants: [y] } });
    const ended = ['channel x  1-3', 'channel x i 1-3'];
    assert.deepEqual(await grantsOf(bucket, 'user:ann'), [...ended, 'channel y i 1-0']);
    const four = await put(three.cas, { grants: [], claimed: { issuer: 'j', grants: [y] } });
    const handed = [...ended, 'channel y i 1-4', 'channel y j 4-0'];
    assert.deepEqual(await grantsOf(bucket, 'user:ann'), handed);
    const claimed = { issuer: '', grants: [] };
    const five = await put(four.cas, { value: null, grants: [], claimed });
    assert.deepEqual(await grantsOf(bucket, 'user:ann'), [
      ...handed.slice(0, 3),
      'channel y j 4-5',
    ]);
    assert.equal(await bucket.lastAccessChange('db', ['user:ann']), five.seq);
  });

  test('a document without grants leaves those of others alone', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const other = await bucket.openCollection('s.other');
    const grants = inDb(channelGrant('user:ann', c, 'x'));
    await apply(bucket, putDocument(c, 'd', { grants }));
    await apply(bucket, putDocument(other, 'd', { grants: inDb() }));
    await apply(bucket, putDocument(c, 'e', { grants: { database: 'elsewhere', grants: [] } }));
    assert.deepEqual(await grantsOf(bucket, 'user:ann'), ['channel x d 1-0']);
    const made = await bucket.grantsOf(c, docId('d'));
    assert.deepEqual(
      made.map(({ principal, target }) => [principal, target]),
      [['user:ann', 'x']],
    );
    assert.deepEqual(await bucket.grantsOf(other, docId('d')), []);
  });

  test('a document grants in one database: what it granted in another one ends', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const grant = channelGrant('user:ann', c, 'x');
    const { cas } = await apply(bucket, putDocument(c, 'd', { grants: inDb(grant) }));
    const asOf = await bucket.lastAccessChange('db');
    const there = { database: 'there', grants: [grant] };
    await apply(bucket, putDocument(c, 'd', { ifCas: cas, grants: there }));
    assert.deepEqual(await grantsOf(bucket, 'user:ann'), ['channel x d 1-2']);
    assert.ok((await bucket.lastAccessChange('db')) > asOf);
    const made = await bucket.grantsOf(c, docId('d'));
    assert.deepEqual(
      made.map(({ database, from, until }) => [database, from, until]),
      [['there', 2, 0]],
    );
  });

  test('a user comes with the roles that it has or had', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const { cas } = await apply(
      bucket,
      putPrincipal('user:ann', { grants: [roleGrant('user:ann', 'old')] }),
    );
    const grants = [roleGrant('user:ann', 'new')];
    await apply(bucket, putPrincipal('user:ann', { ifCas: cas, grants }));
    await apply(bucket, putPrincipal('role:old', { grants: [channelGrant('role:old', c, 'x')] }));
    const snapshot = await bucket.readAccess('db', 'user:ann');
    assert.deepEqual(
      snapshot.principals.map(({ principal, record }) => [principal, record !== undefined]),
      [
        ['user:ann', true],
        ['role:new', false],
        ['role:old', true],
      ],
    );
    assert.deepEqual(grantsIn(snapshot, 'role:old'), ['channel x  3-0']);
    assert.equal(snapshot.asOf, 3);
  });

  test('an access version rises with each change of a record or grant, and then alone', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const grants = inDb(channelGrant('user:ann', c, 'x'));
    const first = await apply(bucket, putDocument(c, 'd', { grants }));
    await apply(bucket, putPrincipal('user:bob'));
    await apply(bucket, putDocument(c, 'd', { ifCas: first.cas, grants }));
    const version = async (...names: PrincipalKey[]): Promise<number> =>
      await bucket.lastAccessChange('db', names);
    assert.deepEqual([await version('user:ann'), await version('user:bob')], [1, 2]);
    assert.equal(await version('user:ann', 'user:bob', 'user:none'), 2);
    assert.equal(await version(), 0);
    assert.equal(await bucket.lastAccessChange('db'), 2);
    assert.equal(await bucket.lastAccessChange('other'), 0);
  });

  test('the grants of a purged document end, and that is told', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const grants = inDb(channelGrant('user:ann', c, 'x'));
    await apply(bucket, putDocument(c, 'd', { grants }));
    await apply(bucket, { kind: 'purge', collection: c, key: docId('d') });
    assert.deepEqual(await grantsOf(bucket, 'user:ann'), ['channel x d 1-2']);
    assert.equal(await bucket.lastAccessChange('db', ['user:ann']), 2);
    assert.equal(await bucket.lastSequence(), 2);
  });

  test('principals with a record are listed in the order of their keys', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    await bucket.commit([
      putPrincipal('user:b', { value: '{"b":1}' }),
      putPrincipal('user:'),
      putPrincipal('user:a'),
      putPrincipal('user:a', { database: 'other' }),
      putPrincipal('role:r'),
      putDocument(c, 'd', { grants: inDb(channelGrant('user:granted', c, 'x')) }),
    ]);
    const list = async (options: object): Promise<readonly string[]> => {
      const range = { database: 'db', kind: 'user', limit: 10, ...options } as const;
      return (await bucket.listPrincipals(range)).map(({ principal }) => principal);
    };
    assert.deepEqual(await list({}), ['user:', 'user:a', 'user:b']);
    assert.deepEqual(await list({ limit: 1, after: 'user:' }), ['user:a']);
    assert.deepEqual(await list({ kind: 'role' }), ['role:r']);
    const [last] = await bucket.listPrincipals({
      database: 'db',
      kind: 'user',
      after: 'user:a',
      limit: 10,
    });
    assert.deepEqual(last, { principal: 'user:b', value: '{"b":1}' });
  });
}
