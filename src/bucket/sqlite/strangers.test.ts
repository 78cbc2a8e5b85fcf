import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';

import type { DocId } from '../../document/types.ts';
import { must } from '../../util/assert.ts';
import { FLAG, type Bucket, type CollectionId, type StoredDocument } from '../bucket.ts';
import { apply, channelRequest, docId, move, putDocument, revId } from '../contract/changes.ts';
import { queuedKeys, rejectedKeys, rejection } from '../contract/foreign-writes-contract.ts';
import { FOREIGN_BODY_BYTES_MAX } from '../foreign-writes.ts';
import { afterReads, testSharedBucket } from './stranger-support.ts';

/** A bucket, and an application that writes to its documents with plain SQL. */
async function withStranger(
  run: (bucket: Bucket, c: CollectionId, sql: (text: string) => Promise<void>) => Promise<void>,
): Promise<void> {
  await using shared = await testSharedBucket();
  await run(shared.bucket, shared.c, async (text) => {
    await afterReads();
    shared.db.exec(text);
  });
}

async function stored(bucket: Bucket, c: CollectionId, key: string): Promise<StoredDocument> {
  return must(await bucket.get(c, docId(key)), 'it is there');
}

for (const [how, sql] of [
  ['rewrites', `INSERT OR REPLACE INTO documents (key, body) VALUES ('a', '{"theirs":1}')`],
  ['updates', `UPDATE documents SET body = '{"theirs":1}' WHERE key = 'a'`],
] as const) {
  test(`a stranger who ${how} a document changes its CAS, and leaves its metadata`, async () => {
    await withStranger(async (bucket, c, stranger) => {
      const ours = await apply(bucket, putDocument(c, 'a', { channels: move(['x']) }));
      await stranger(sql);
      const theirs = await stored(bucket, c, 'a');
      assert.equal(theirs.body, '{"theirs":1}');
      assert.notEqual(theirs.cas, ours.cas);
      assert.equal(theirs.metadata?.cas, ours.cas);
      assert.deepEqual(await bucket.scan(c, { limit: 9, bodies: true }), [theirs]);
      assert.deepEqual(await bucket.commit([putDocument(c, 'a', { ifCas: ours.cas })]), [
        { ok: false, failed: 'cas', actualCas: theirs.cas },
      ]);
      const page = await bucket.readChannels(channelRequest(c, ['x'], { bodies: true }));
      assert.deepEqual(
        page.rows.map(({ body }) => body),
        [null],
      );
      const imported = { ifCas: theirs.cas, body: theirs.body, rev: revId('2-b') };
      const { cas } = await apply(
        bucket,
        putDocument(c, 'a', { ...imported, channels: move(['x']) }),
      );
      assert.equal((await bucket.get(c, docId('a')))?.cas, cas);
      const [row] = (await bucket.readChannels(channelRequest(c, ['x'], { bodies: true }))).rows;
      assert.equal(row?.body, '{"theirs":1}');
    });
  });
}

test('a document that only a stranger wrote is read, scanned, imported and purged', async () => {
  await withStranger(async (bucket, c, stranger) => {
    await apply(bucket, putDocument(c, 'b'));
    await stranger(`INSERT INTO documents (key, body, expiry) VALUES ('a', '1', 7), ('c', '3', 0)`);
    const a = await stored(bucket, c, 'a');
    const none = { xattrs: null, metadata: undefined };
    assert.deepEqual(a, { key: 'a', cas: a.cas, body: '1', expiry: 7, ...none });
    const scan = await bucket.scan(c, { limit: 9, bodies: false });
    assert.deepEqual(
      scan.map(({ key, body }) => [key, body]),
      [
        ['a', null],
        ['b', null],
        ['c', null],
      ],
    );
    const keepBodies = [{ rev: revId('1-s'), body: 'stored', attachments: {}, expiry: 0 }] as const;
    await apply(bucket, putDocument(c, 'a', { ifCas: a.cas, body: '2', keepBodies }));
    assert.equal((await bucket.getRevisionBody(c, docId('a'), revId('1-s')))?.body, '1');
    await apply(bucket, { kind: 'purge', collection: c, key: docId('c') });
    assert.equal(await bucket.get(c, docId('c')), undefined);
  });
});

test('a document whose body a stranger deleted is there without it, with another CAS', async () => {
  await withStranger(async (bucket, c, stranger) => {
    const ours = await apply(bucket, putDocument(c, 'a'));
    await stranger(`DELETE FROM documents WHERE key = 'a'`);
    const gone = await stored(bucket, c, 'a');
    assert.equal(gone.body, null);
    assert.notEqual(gone.cas, ours.cas);
    assert.equal(gone.metadata?.cas, ours.cas);
    const stale = await bucket.commit([putDocument(c, 'a', { ifCas: ours.cas })]);
    assert.deepEqual(stale, [{ ok: false, failed: 'cas', actualCas: gone.cas }]);
    await apply(bucket, putDocument(c, 'a', { ifCas: gone.cas, body: null, flags: 1 }));
    await stranger(`INSERT INTO documents (key, body) VALUES ('a', '{"back":1}')`);
    const back = await stored(bucket, c, 'a');
    assert.equal(back.body, '{"back":1}');
    await apply(bucket, putDocument(c, 'a', { ifCas: back.cas, body: '{"ours":1}' }));
    assert.equal((await bucket.get(c, docId('a')))?.body, '{"ours":1}');
  });
});

/** Each on the gateway's documents `a` and `b`, a tombstone `t`, and a stranger's `s`. */
const STATEMENTS: readonly (readonly [sql: string, queued: readonly string[]])[] = [
  [`INSERT INTO documents (key, body) VALUES ('n', '{}')`, ['n', 's']],
  [`INSERT INTO documents (key, body) VALUES ('t', '{}')`, ['s', 't']],
  [`INSERT OR IGNORE INTO documents (key, body) VALUES ('a', '{}'), ('n', '{}')`, ['n', 's']],
  [`INSERT OR REPLACE INTO documents (key, body) VALUES ('a', '{}')`, ['a', 's']],
  [`REPLACE INTO documents (collection, key, body) VALUES (1, 'b', '{}')`, ['b', 's']],
  [
    `INSERT INTO documents (key, body) VALUES ('a', '{"v":2}'), ('n', '{}')
    ON CONFLICT (collection, key) DO UPDATE SET body = excluded.body`,
    ['a', 'n', 's'],
  ],
  [`INSERT INTO documents (key, body) VALUES ('a', '{}') ON CONFLICT DO NOTHING`, ['s']],
  [`UPDATE documents SET body = '{}' WHERE key = 'a'`, ['a', 's']],
  [`UPDATE documents SET body = json_set(body, '$.x', 1)`, ['a', 'b', 's']],
  [`UPDATE OR IGNORE documents SET body = '{}' WHERE key = 'a'`, ['a', 's']],
  [`UPDATE documents SET expiry = 4000000000 WHERE key = 'a'`, ['a', 's']],
  [`UPDATE documents SET xattrs = '{"x":1}' WHERE key = 'a'`, ['a', 's']],
  [`DELETE FROM documents WHERE key = 'a'`, ['a', 's']],
  [`DELETE FROM documents WHERE key IN ('a', 's')`, ['a']],
  [`DELETE FROM documents`, ['a', 'b']],
  [`UPDATE documents SET key = 'n' WHERE key = 'a'`, ['a', 'n', 's']],
  [`UPDATE documents SET key = 't' WHERE key = 's'`, ['t']],
  [`UPDATE documents SET collection = 77 WHERE key = 'a'`, ['a', 's']],
  [`UPDATE OR REPLACE documents SET key = 'b' WHERE key = 'a'`, ['a', 'b', 's']],
  [`UPDATE documents SET id = id + 1000 WHERE key = 'a'`, ['a', 's']],
  // Whole rows, as a program that maps objects to rows writes them, with the CAS that it read.
  [
    `UPDATE documents SET id = id, collection = 1, key = 'a', cas = cas, expiry = 0, body = '{}'
    WHERE key = 'a'`,
    ['a', 's'],
  ],
  [`UPDATE documents SET cas = 1, body = '{}' WHERE key = 'b'`, ['b', 's']],
  [`UPDATE documents SET cas = 12345 WHERE key = 'a'`, ['a', 's']],
  [`INSERT OR REPLACE INTO documents SELECT * FROM documents WHERE key = 'a'`, ['a', 's']],
  [`INSERT INTO documents (key, body, cas) VALUES ('n', '{}', 2)`, ['n', 's']],
  [`BEGIN; UPDATE documents SET body = '{}'; DELETE FROM documents; ROLLBACK`, ['s']],
  [
    `BEGIN; UPDATE documents SET body = '{}' WHERE key = 'a'; SAVEPOINT p;
    DELETE FROM documents; ROLLBACK TO p; COMMIT`,
    ['a', 's'],
  ],
  [
    `BEGIN; DELETE FROM documents WHERE key = 'a';
    INSERT INTO documents (key, body) VALUES ('a', '{}'); COMMIT`,
    ['a', 's'],
  ],
];

/** Nothing is there but the gateway's documents. */
async function prepare(bucket: Bucket, c: CollectionId): Promise<void> {
  const documents = await bucket.scan(c, { limit: 1000, bodies: false });
  await bucket.commit(documents.map(({ key }) => ({ kind: 'purge', collection: c, key })));
  await bucket.commit([
    putDocument(c, 'a', { body: '{"v":1}' }),
    putDocument(c, 'b', { body: '{"v":1}' }),
    putDocument(c, 't', { body: null, flags: FLAG.deleted }),
  ]);
}

for (const recursive of ['OFF', 'ON'] as const) {
  test(`every statement queues what it changes, with recursive_triggers ${recursive}`, async () => {
    await withStranger(async (bucket, c, stranger) => {
      const other = await bucket.openCollection('s.other');
      await stranger(`PRAGMA recursive_triggers = ${recursive}; PRAGMA foreign_keys = ON`);
      for (const [sql, queued] of STATEMENTS) {
        await prepare(bucket, c);
        assert.deepEqual(await queuedKeys(bucket, c), []);
        await stranger(`INSERT INTO documents (key, body) VALUES ('s', '{}')`);
        await stranger(sql);
        assert.deepEqual([...(await queuedKeys(bucket, c))].sort(), queued, sql);
        await isAllForeign(bucket, c, sql);
      }
      assert.deepEqual(await queuedKeys(bucket, other), []);
    });
  });
}

/** What is queued is foreign, and nothing else is. */
async function isAllForeign(bucket: Bucket, c: CollectionId, message: string): Promise<void> {
  const queued = new Set(await queuedKeys(bucket, c));
  for (const { key, cas, metadata } of await bucket.scan(c, { limit: 1000, bodies: true })) {
    assert.equal(queued.delete(key), cas !== metadata?.cas, `${message}: ${key}`);
  }
  assert.deepEqual([...queued], [], message);
}

test('the sqlite3 program of the system, an older one, writes the same', async () => {
  await using shared = await testSharedBucket();
  const { bucket, c, path } = shared;
  await prepare(bucket, c);
  await promisify(execFile)('sqlite3', [
    path,
    `INSERT INTO documents (key, body) VALUES ('n', '{}');
     INSERT INTO documents (key, body) VALUES ('a', '{"v":2}')
       ON CONFLICT (collection, key) DO UPDATE SET body = excluded.body;
     DELETE FROM documents WHERE key = 'b';
     REPLACE INTO documents (key, body) VALUES ('t', '{}');`,
  ]);
  assert.deepEqual(await queuedKeys(bucket, c), ['n', 'a', 'b', 't']);
  await isAllForeign(bucket, c, 'sqlite3');
  const [entry] = await bucket.foreignWrites.list(c, { after: 0, limit: 1 });
  assert.ok(Math.abs(must(entry, 'queued').queuedMs - Date.now()) < 60_000);
});

test('a load of 100,000 rows in one transaction is queued, row for row', async () => {
  await withStranger(async (bucket, c, stranger) => {
    await apply(bucket, putDocument(c, 'k7'));
    await stranger(`INSERT OR REPLACE INTO documents (key, body)
      WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)
      SELECT 'k' || i, '{"n":' || i || '}' FROM n`);
    assert.equal((await bucket.foreignWrites.backlog(c, 1e6)).count, 100_000);
    const last = await bucket.foreignWrites.newest();
    const end = await bucket.foreignWrites.list(c, { after: last - 3, limit: 9 });
    assert.deepEqual(
      end.map(({ key }) => key),
      ['k99997', 'k99998', 'k99999'],
    );
  });
});

test('two writes of a row in one transaction have two CASes', async () => {
  await withStranger(async (bucket, c, stranger) => {
    await stranger(`INSERT INTO documents (key, body) VALUES ('a', '1')`);
    const first = await stored(bucket, c, 'a');
    await stranger(`INSERT OR REPLACE INTO documents (key, body, cas)
      VALUES ('a', '2', ${first.cas})`);
    const second = await stored(bucket, c, 'a');
    assert.notEqual(second.cas, first.cas);
    assert.ok(second.cas < 0);
  });
});

test('bodies that no document can have are told, and not read', async () => {
  await withStranger(async (bucket, c, stranger) => {
    await apply(bucket, putDocument(c, 'big'));
    await stranger(`INSERT OR REPLACE INTO documents (key, body) VALUES
      ('big', printf('"%.*c"', ${FOREIGN_BODY_BYTES_MAX - 1}, 'x')),
      ('utf8', CAST(x'22ff22' AS TEXT)), ('nul', CAST(x'22002200' AS TEXT)),
      ('fits', printf('"%.*c"', ${FOREIGN_BODY_BYTES_MAX - 2}, 'x')), ('text', 'no JSON'),
      ('empty', '')`);
    const faultOf = async (key: string): Promise<unknown> => {
      const { body, foreignBody } = await stored(bucket, c, key);
      return [body === null ? null : body.length, foreignBody];
    };
    assert.deepEqual(await faultOf('big'), [null, 'too large']);
    assert.deepEqual(await faultOf('utf8'), [null, 'not text']);
    assert.deepEqual(await faultOf('nul'), [null, 'not text']);
    assert.deepEqual(await faultOf('fits'), [FOREIGN_BODY_BYTES_MAX, undefined]);
    assert.deepEqual(await faultOf('text'), [7, undefined]);
    assert.deepEqual(await faultOf('empty'), [0, undefined]);
    const page = await bucket.scan(c, { limit: 9, bodies: true, charsMax: 100 });
    assert.deepEqual(
      page.map(({ key, foreignBody }) => [key, foreignBody]),
      [
        ['big', 'too large'],
        ['empty', undefined],
        ['fits', undefined],
      ],
    );
    await assert.rejects(
      stranger(`INSERT INTO documents (key, body) VALUES ('blob', x'7b7d')`),
      /cannot store BLOB value/,
    );
    await assert.rejects(stranger(`INSERT INTO documents (key) VALUES ('none')`), /NOT NULL/);
  });
});

test('a key that is not UTF-8 is set aside; any other can be taken', async () => {
  await withStranger(async (bucket, c, stranger) => {
    await stranger(`INSERT INTO documents (key, body) VALUES (CAST(x'6bff' AS TEXT), '{}'),
      ('a' || char(0) || 'b', '{}'), ('', '{}'), ('🙂', '{}')`);
    const keys = await queuedKeys(bucket, c);
    assert.deepEqual(keys, ['a\0b', '', '🙂']);
    const [rejected, ...more] = await bucket.foreignWrites.listRejected(c, { limit: 9 });
    assert.deepEqual(more, []);
    assert.match(must(rejected, 'one').reason, /not valid UTF-8/);
    assert.equal(rejected?.key, `x'6BFF'`, 'as SQL names it');
    for (const key of keys) {
      const { cas } = await stored(bucket, c, key);
      await apply(bucket, putDocument(c, key, { ifCas: cas }));
    }
    assert.deepEqual(await queuedKeys(bucket, c), []);
  });
});

test('pages of what is refused end, also where keys cannot be named', async () => {
  await withStranger(async (bucket, c, stranger) => {
    await stranger(`INSERT INTO documents (key, body) VALUES (CAST(x'6bff' AS TEXT), '{}'),
      (CAST(x'6bfe' AS TEXT), '{}'), ('k', '{}'), ('y', '{}')`);
    for (const key of await queuedKeys(bucket, c))
      await apply(bucket, rejection(c, await stored(bucket, c, key)));
    const listed: string[] = [];
    for (let after: DocId | undefined; listed.length < 9;) {
      const page: readonly { readonly key: DocId }[] = await bucket.foreignWrites.listRejected(c, {
        limit: 1,
        ...(after === undefined ? {} : { after }),
      });
      after = page[0]?.key;
      if (after === undefined) break;
      listed.push(after);
    }
    assert.deepEqual(listed, ['k', `x'6BFE'`, `x'6BFF'`, 'y']);
    await stranger(`DELETE FROM documents WHERE key = CAST(x'6bff' AS TEXT)`);
    assert.deepEqual(await rejectedKeys(bucket, c), ['k', `x'6BFE'`, 'y']);
  });
});

test('a page of keys that are not UTF-8 is no end of the queue', async () => {
  await withStranger(async (bucket, c, stranger) => {
    await stranger(`INSERT INTO documents (key, body) VALUES
      (CAST(x'ff' AS TEXT), '{}'), (CAST(x'fe' AS TEXT), '{}'), ('a', '{}')`);
    const page = await bucket.foreignWrites.list(c, { after: 0, limit: 2 });
    assert.deepEqual(
      page.map(({ key }) => key),
      ['a'],
    );
  });
});

test('extended attributes past a megabyte are as good as none', async () => {
  await withStranger(async (bucket, c, stranger) => {
    await apply(bucket, putDocument(c, 'a'));
    await stranger(`UPDATE documents SET xattrs = printf('"%.*c"', 1048574, 'x')`);
    assert.equal((await stored(bucket, c, 'a')).xattrs?.length, 1_048_576);
    await stranger(`UPDATE documents SET xattrs = xattrs || ' '`);
    assert.equal((await stored(bucket, c, 'a')).xattrs, null);
  });
});

test('a stranger’s open transaction makes writes wait and fail, and no read', async () => {
  await using shared = await testSharedBucket({ busyTimeoutMs: 100 });
  const { bucket, c, db } = shared;
  const ours = await apply(bucket, putDocument(c, 'a'));
  db.exec(`BEGIN IMMEDIATE; UPDATE documents SET body = '{"theirs":1}'`);
  const write = putDocument(c, 'a', { ifCas: ours.cas });
  await assert.rejects(bucket.commit([write]), /locked by another process/);
  assert.equal((await stored(bucket, c, 'a')).cas, ours.cas);
  assert.equal(bucket.trouble?.kind, 'locked');
  assert.deepEqual(await queuedKeys(bucket, c), []);
  db.exec('ROLLBACK');
  await apply(bucket, write);
  assert.equal(bucket.trouble, undefined);
});
