import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Bucket } from '../../bucket/bucket.ts';
import type { Collection } from '../../database/collection.ts';
import type { ServedDatabase } from '../../database/served-database.ts';
import { openTestRegistries } from '../../database/test-registries.ts';
import type { Digest, DocId } from '../../document/types.ts';
import { systemClock } from '../../util/clock.ts';
import { DrivenClock } from '../../util/driven-clock.ts';
import { isGatewayError } from '../../util/errors.ts';
import type { CompactionType, CompactionView } from './compaction-view.ts';
import { Compactions } from './compactions.ts';

const DAY_MS = 24 * 3600 * 1000;
const ADMIN = { kind: 'admin' } as const;
const cancellation = new AbortController();
const TOMBSTONES = { type: 'tombstone', reset: false, dryRun: false } as const;
const ATTACHMENTS = { type: 'attachment', reset: false, dryRun: false } as const;

async function put(collection: Collection, id: string, body: object = {}) {
  const text = JSON.stringify(body);
  return collection.update(ADMIN, id, { text, newEdits: true, cancellation });
}

async function putAndDelete(collection: Collection, id: string): Promise<void> {
  const { rev } = await put(collection, id);
  await collection.remove(ADMIN, id, { rev, cancellation });
}

/** NOTE: a driven clock stands still, and with it the rests between steps. */
async function ended(
  compactions: Compactions,
  served: ServedDatabase,
  { type = 'tombstone', clock }: { readonly type?: CompactionType; readonly clock?: DrivenClock },
): Promise<CompactionView> {
  for (;;) {
    const view = await compactions.status(served, type);
    if (view.status !== 'running') return view;
    clock?.advance(1);
    await systemClock.sleep(5);
  }
}

async function keys(bucket: Bucket): Promise<readonly string[]> {
  const id = await bucket.openCollection('_default._default');
  return (await bucket.scan(id, { limit: 10, bodies: false })).map(({ key }) => key);
}

test('tombstones go when they are 30 days old, and with them all that was known', async () => {
  const clock = new DrivenClock();
  await using opened = await openTestRegistries({ clock });
  const registry = await opened.registry();
  await registry.create('db', { bucket: 'b' });
  const served = registry.served('db');
  const collection = served.current.collection(undefined);
  await putAndDelete(collection, 'old');
  await put(collection, 'living');
  clock.advance(20 * DAY_MS);
  await putAndDelete(collection, 'young');
  clock.advance(11 * DAY_MS);

  const compactions = new Compactions(clock);
  assert.deepEqual(await compactions.status(served, 'tombstone'), {
    status: 'completed',
    start_time: '0001-01-01T00:00:00Z',
    last_error: '',
    docs_purged: 0,
  });
  await compactions.start(served, { ...TOMBSTONES, dryRun: true });
  assert.partialDeepStrictEqual(await ended(compactions, served, { clock }), {
    status: 'completed',
    docs_purged: 1,
    dry_run: true,
  });
  assert.deepEqual(await keys(opened.bucket), ['living', 'old', 'young']);
  await compactions.start(served, TOMBSTONES);
  const view = await ended(compactions, served, { clock });
  assert.partialDeepStrictEqual(view, { status: 'completed', docs_purged: 1, last_error: '' });
  assert.ok(!('dry_run' in view));
  assert.deepEqual(await keys(opened.bucket), ['living', 'young']);
  await assert.rejects(
    compactions.stop(served, 'tombstone'),
    (cause) => isGatewayError(cause, 'badRequest') && /no compact_tombstone/.test(cause.message),
  );
});

test('it starts by itself once in an interval, on one of all processes', async () => {
  const clock = new DrivenClock();
  await using opened = await openTestRegistries({ clock });
  const registry = await opened.registry();
  await registry.create('db', { bucket: 'b', compact_interval_days: 2 });
  await registry.create('never', { bucket: 'c', compact_interval_days: 0 });
  const served = registry.served('db');
  const nodes = [new Compactions(clock), new Compactions(clock)] as const;
  const look = async (): Promise<readonly string[]> => {
    for (const node of nodes) {
      await node.look(served);
      await node.look(registry.served('never'));
    }
    await ended(nodes[0], served, { clock });
    const never = await nodes[0].status(registry.served('never'), 'tombstone');
    return [(await nodes[0].status(served, 'tombstone')).start_time, never.start_time];
  };
  const NEVER = '0001-01-01T00:00:00Z';
  assert.deepEqual(await look(), [NEVER, NEVER]);
  await putAndDelete(served.current.collection(undefined), 'old');
  clock.advance(1.9 * DAY_MS);
  assert.deepEqual(await look(), [NEVER, NEVER]);
  clock.advance(0.2 * DAY_MS);
  const [first = ''] = await look();
  assert.ok(Math.abs(Date.parse(first) - clock.now()) < DAY_MS, first);
  clock.advance(1.9 * DAY_MS);
  assert.deepEqual(await look(), [first, NEVER]);
  clock.advance(31 * DAY_MS);
  const [second = ''] = await look();
  assert.notEqual(second, first);
  assert.deepEqual(await keys(opened.bucket), []);
});

test('old history is shortened without a trace in the feed, and what is younger is not', async () => {
  const clock = new DrivenClock();
  await using opened = await openTestRegistries({ clock });
  const registry = await opened.registry();
  await registry.create('db', {
    bucket: 'b',
    sync: 'function (doc) { channel(doc.channels); access("ann", doc.channels); }',
  });
  const served = registry.served('db');
  const collection = served.current.collection(undefined);
  await served.current.principals.putUser('ann', { password: 'letmein' });
  const compactions = new Compactions(clock);
  const wander = async (rounds: number, from?: string): Promise<string> => {
    let rev = from;
    for (let round = 0; round < rounds; round++)
      for (const channels of ['a', 'b']) {
        const parent = rev === undefined ? {} : { _rev: rev };
        ({ rev } = await put(collection, 'd', { channels, ...parent }));
      }
    return rev!;
  };
  const stays = async () => {
    const ends = await collection.tools.channelHistory('d');
    return (ends.get('a')?.length ?? 0) + (ends.get('b')?.length ?? 0);
  };
  const grants = async () =>
    (await opened.bucket.readAccess('db', 'user:ann')).principals[0]!.grants.length;
  const rev = await wander(4);
  assert.deepEqual([await stays(), await grants()], [7, 8]);
  await compactions.look(served);
  clock.advance(31 * DAY_MS);
  await wander(1, rev);
  assert.deepEqual([await stays(), await grants()], [9, 10]);
  const last = await opened.bucket.lastSequence();
  await compactions.start(served, TOMBSTONES);
  assert.partialDeepStrictEqual(await ended(compactions, served, { clock }), {
    status: 'completed',
    docs_purged: 0,
  });
  assert.equal(await opened.bucket.lastSequence(), last);
  // Of a and of b the stays up to then are one, and so are the grants; the later ones are there.
  assert.deepEqual([await stays(), await grants()], [4, 5]);
});

test('attachments: two processes share the work, count right, and keep what is named', async () => {
  await using opened = await openTestRegistries();
  const { bucket } = opened;
  const registry = await opened.registry();
  await registry.create('db', { bucket: 'b' });
  const home = registry.served('db');
  const away = (await opened.registry()).served('db');
  const collection = home.current.collection(undefined);
  const data = (text: string): string => Buffer.from(text).toString('base64');
  for (let n = 0; n < 30; n++) {
    const _attachments = { own: { data: data(`own ${n}`) }, all: { data: data('of all') } };
    await put(collection, `d${n}`, { _attachments });
  }
  const orphans: Digest[] = [];
  for (let n = 0; n < 40; n++) {
    const bytes = async function* () {
      yield Buffer.from(await Promise.resolve(`orphan ${n}`));
    };
    orphans.push((await bucket.putAttachment(bytes(), { lengthMax: 100 })).digest);
  }
  // What the store holds of a document is wrong: as after an error of an older version.
  const id = await bucket.openCollection('_default._default');
  const [stored] = await bucket.getMany(id, ['d7' as DocId]);
  const wrong = { kind: 'references', collection: id, key: 'd7' as DocId } as const;
  await bucket.commit([
    { ...wrong, ifCas: stored!.cas, attachments: [{ digest: orphans[0]!, until: 0 }] },
  ]);
  const ahead = { ...systemClock, now: () => systemClock.now() + 2 * 3600 * 1000 };
  const nodes = [new Compactions(ahead), new Compactions(ahead)] as const;
  const never = await nodes[0].status(home, 'attachment');
  assert.deepEqual(never, {
    status: 'completed',
    start_time: '0001-01-01T00:00:00Z',
    last_error: '',
    marked_attachments: 0,
    purged_attachments: 0,
    compact_id: '',
  });
  await nodes[0].start(home, { ...ATTACHMENTS, dryRun: true });
  const dry = await ended(nodes[0], home, { type: 'attachment' });
  assert.partialDeepStrictEqual(dry, {
    status: 'completed',
    dry_run: true,
    marked_attachments: 31,
  });
  assert.notEqual(await bucket.getAttachment(orphans[1]!), undefined);
  await nodes[0].start(home, ATTACHMENTS);
  await assert.rejects(nodes[1].start(home, ATTACHMENTS), (cause) =>
    isGatewayError(cause, 'unavailable'),
  );
  await nodes[1].look(away);
  const view = await ended(nodes[0], home, { type: 'attachment' });
  // The one that was named wrongly begins its grace when that is put right.
  assert.partialDeepStrictEqual(view, {
    status: 'completed',
    last_error: '',
    marked_attachments: 31,
    purged_attachments: 40,
  });
  for (const digest of orphans) assert.equal(await bucket.getAttachment(digest), undefined);
  const read = await collection.attachment(ADMIN, 'd7', { name: 'own' });
  let text = '';
  for await (const chunk of await read.open()) text += Buffer.from(chunk).toString();
  assert.equal(text, 'own 7');
});
