import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Digest } from '../../document/types.ts';
import type { Bucket, CommitResult, Grant, PrincipalKey } from '../bucket.ts';
import type { ListedAttachment, UpkeepChange } from '../upkeep.ts';
import {
  apply,
  channelGrant,
  docId,
  type OpenBucket,
  pieces,
  putDocument,
  putPrincipal,
  revId,
  roleGrant,
  seq,
} from './changes.ts';

const lengthMax = 1_000_000;
const HOUR_SECS = 3600;
const nowSecs = (): number => Math.floor(Date.now() / 1000);

async function put(bucket: Bucket, text: string): Promise<Digest> {
  return (await bucket.putAttachment(pieces(text), { lengthMax })).digest;
}

async function outcome(bucket: Bucket, change: UpkeepChange): Promise<CommitResult | undefined> {
  const before = await bucket.lastSequence();
  const [result] = await bucket.commit([change]);
  assert.equal(await bucket.lastSequence(), before, 'it takes no sequence');
  return result;
}

async function listed(bucket: Bucket, digest: Digest): Promise<ListedAttachment | undefined> {
  const all = await bucket.listAttachments('', 1000);
  return all.find((each) => each.digest === digest);
}

async function historyOf(bucket: Bucket, principal: PrincipalKey): Promise<readonly string[]> {
  const { principals } = await bucket.readAccess('db', principal);
  const grants = principals[0]?.grants ?? [];
  return grants.map(
    ({ target, source, from, until }) => `${target} ${source || 'admin'} ${from}-${until}`,
  );
}

const inDb = (...grants: readonly Grant[]) => ({ database: 'db', grants });

/** The contract of what administrators and background tasks ask and change. */
export function upkeepContract(open: OpenBucket): void {
  test('who has a channel or a role now is told, each once, in order', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const other = await bucket.openCollection('s.other');
    const x = (to: PrincipalKey): Grant => channelGrant(to, c, 'x');
    await apply(bucket, putPrincipal('user:bob', { grants: [x('user:bob')] }));
    const grants = inDb(x('user:bob'), x('role:r'), x('user:ann'), roleGrant('user:cat', 'x'));
    const { cas } = await apply(bucket, putDocument(c, 'd', { grants }));
    const elsewhere = inDb(channelGrant('user:dan', other, 'x'));
    await apply(bucket, putDocument(other, 'd', { grants: elsewhere }));
    const channelX = { kind: 'channel', collection: c, target: 'x' } as const;
    assert.deepEqual(await bucket.holdersOf('db', channelX, 10), [
      'role:r',
      'user:ann',
      'user:bob',
    ]);
    assert.deepEqual(await bucket.holdersOf('db', channelX, 1), ['role:r']);
    assert.deepEqual(await bucket.holdersOf('other', channelX, 10), []);
    const roleX = roleGrant('user:any', 'x');
    assert.deepEqual(await bucket.holdersOf('db', roleX, 10), ['user:cat']);
    await apply(bucket, putDocument(c, 'd', { ifCas: cas, grants: inDb() }));
    assert.deepEqual(await bucket.holdersOf('db', channelX, 10), ['user:bob']);
  });

  test('references of documents are told, and made right without a trace', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const [one, two] = [await put(bucket, 'one'), await put(bucket, 'two')];
    const first = await apply(
      bucket,
      putDocument(c, 'a', { attachments: [{ digest: one, until: 0 }] }),
    );
    await apply(bucket, putDocument(c, 'b'));
    const told = await bucket.referencesOf(c, ['a', 'b', 'none'].map(docId));
    assert.deepEqual(told, [[{ digest: one, until: 0 }], [], []]);
    const right = [{ digest: two, until: 9_000_000_000 }];
    const change = { kind: 'references', collection: c, key: docId('a') } as const;
    const wrongCas = { ...change, ifCas: 99 as never, attachments: right };
    assert.partialDeepStrictEqual(await outcome(bucket, wrongCas), { ok: false, failed: 'cas' });
    const ifCas = first.cas;
    assert.ok((await outcome(bucket, { ...change, ifCas, attachments: right }))?.ok);
    assert.deepEqual(await bucket.referencesOf(c, [docId('a')]), [right]);
    assert.equal((await bucket.get(c, docId('a')))?.cas, first.cas);
    assert.equal((await listed(bucket, two))?.isReferenced, true);
    assert.partialDeepStrictEqual(await listed(bucket, one), {
      isReferenced: false,
      isNamed: false,
    });
    assert.ok(Math.abs(((await listed(bucket, one))?.unreferencedSince ?? 0) - nowSecs()) < 60);
  });

  test('attachments are listed by their digests, and those that nothing names can be purged', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const digests = [await put(bucket, '1'), await put(bucket, '2'), await put(bucket, '3')];
    const [kept, gone] = digests as [Digest, Digest];
    await apply(bucket, putDocument(c, 'a', { attachments: [{ digest: kept, until: 0 }] }));
    const all = await bucket.listAttachments('', 1000);
    assert.deepEqual(
      all.map(({ digest }) => digest),
      digests.toSorted(),
    );
    assert.deepEqual(await bucket.listAttachments(all[0]!.digest, 1), [all[1]]);
    assert.deepEqual(await listed(bucket, kept), {
      digest: kept,
      isReferenced: true,
      isNamed: true,
      unreferencedSince: undefined,
    });
    const since = (await listed(bucket, gone))?.unreferencedSince;
    const purge = { kind: 'attachment', digest: gone, purge: true } as const;
    const early = await outcome(bucket, { ...purge, ifUnreferencedSince: undefined });
    assert.equal(early?.ok, false);
    const named = { ...purge, digest: kept, ifUnreferencedSince: undefined };
    assert.equal((await outcome(bucket, named))?.ok, false);
    assert.ok((await outcome(bucket, { ...purge, ifUnreferencedSince: since }))?.ok);
    assert.equal(await bucket.getAttachment(gone), undefined);
    assert.equal((await outcome(bucket, { ...purge, ifUnreferencedSince: since }))?.ok, false);
    assert.equal(await put(bucket, '2'), gone, 'the bytes may come again');
    while (await bucket.removeExpired(nowSecs(), HOUR_SECS));
    assert.notEqual(await bucket.getAttachment(gone), undefined);
    assert.notEqual(await bucket.getAttachment(kept), undefined);
  });

  test('another text of the metadata leaves everything else of a document as it is', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const { cas } = await apply(bucket, putDocument(c, 'a', { metadata: '{"past":1}' }));
    const before = await bucket.get(c, docId('a'));
    const change = { kind: 'documentHistory', collection: c, key: docId('a') } as const;
    assert.ok((await outcome(bucket, { ...change, ifCas: cas, metadata: '{"past":0}' }))?.ok);
    assert.deepEqual(await bucket.get(c, docId('a')), {
      ...before!,
      metadata: { ...before!.metadata!, text: '{"past":0}' },
    });
    await apply(bucket, putDocument(c, 'a', { ifCas: cas, rev: revId('2-b') }));
    const late = await outcome(bucket, { ...change, ifCas: cas, metadata: '{}' });
    assert.partialDeepStrictEqual(late, { ok: false, failed: 'cas' });
  });

  test('ended grants of one channel become one, and nothing that was held is forgotten', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    let cas: CommitResult & { ok: true };
    const x = channelGrant('user:ann', c, 'x');
    const y = channelGrant('user:ann', c, 'y');
    // x: 1-2, 3-4, 5-7, 8-; y: 1-4, 7-.
    cas = (await apply(bucket, putDocument(c, 'd', { grants: inDb(x, y) }))) as typeof cas;
    const steps = [[y], [x, y], [], [x], [x], [y], [x, y]];
    for (const grants of steps)
      cas = (await apply(
        bucket,
        putDocument(c, 'd', { ifCas: cas.cas, grants: inDb(...grants) }),
      )) as typeof cas;
    const full = ['x d 1-2', 'y d 1-4', 'x d 3-4', 'x d 5-7', 'y d 7-0', 'x d 8-0'];
    assert.deepEqual(await historyOf(bucket, 'user:ann'), full);
    const change = { kind: 'grantHistory', database: 'db', principal: 'user:ann' } as const;
    assert.deepEqual(
      (await bucket.listEndedGrants({ database: 'db', limit: 10, upTo: seq(4) })).map(
        ({ principal, value, ended }) => [principal, value, ended],
      ),
      [['user:ann', undefined, 3]],
    );
    const version = await bucket.lastAccessChange('db');
    await outcome(bucket, { ...change, upTo: seq(3), forgetUpTo: seq(0) });
    assert.deepEqual(await historyOf(bucket, 'user:ann'), full);
    await outcome(bucket, { ...change, upTo: seq(6), forgetUpTo: seq(0) });
    const merged = ['y d 1-4', 'x d 1-4', 'x d 5-7', 'y d 7-0', 'x d 8-0'];
    assert.deepEqual((await historyOf(bucket, 'user:ann')).toSorted(), merged.toSorted());
    const told = (await bucket.readAccess('db', 'user:ann')).principals[0]!.grants;
    assert.deepEqual(
      told.filter(({ merged }) => merged).map(({ target, until }) => [target, until]),
      [['x', 4]],
    );
    await outcome(bucket, { ...change, upTo: seq(8), forgetUpTo: seq(4) });
    const rest = ['x d 5-7', 'y d 7-0', 'x d 8-0'];
    assert.deepEqual(await historyOf(bucket, 'user:ann'), rest);
    assert.equal(await bucket.lastAccessChange('db'), version, 'nobody has anything else now');
  });

  test('a grant that ended while another went on stays where it is', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const x = channelGrant('user:ann', c, 'x');
    const d = await apply(bucket, putDocument(c, 'd', { grants: inDb(x) }));
    const off = await apply(bucket, putDocument(c, 'd', { ifCas: d.cas, grants: inDb() }));
    const on = await apply(bucket, putDocument(c, 'd', { ifCas: off.cas, grants: inDb(x) }));
    await apply(bucket, putPrincipal('user:ann', { grants: [x] }));
    await apply(bucket, putDocument(c, 'd', { ifCas: on.cas, grants: inDb() }));
    const change = { kind: 'grantHistory', database: 'db', principal: 'user:ann' } as const;
    await outcome(bucket, { ...change, upTo: seq(5), forgetUpTo: seq(0) });
    assert.deepEqual(await historyOf(bucket, 'user:ann'), ['x d 1-2', 'x d 3-5', 'x admin 4-0']);
  });
}
