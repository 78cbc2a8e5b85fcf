import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';

import { isGatewayError, type ErrorTag } from '../util/errors.ts';
import { apply, docId, putDocument } from './contract/changes.ts';
import { openBucketServer } from './open-bucket.ts';
import { TEST_OPTIONS, testFolder } from './sqlite/test-support.ts';

const told =
  (tag: ErrorTag, reason: RegExp) =>
  (cause: unknown): boolean =>
    isGatewayError(cause, tag) && reason.test(cause.message);

test('a scheme that is not supported is refused with the list of those that are', async () => {
  for (const url of ['', 'sqlite:', 'couchbase://localhost', 'postgres://db', 'walrus:']) {
    await assert.rejects(
      openBucketServer(url, TEST_OPTIONS),
      told('badRequest', /sqlite:DIR, sqlite::memory:/),
    );
  }
});

test('buckets are files of a folder, which is created; they are listed, and stay', async () => {
  await using folder = await testFolder();
  const url = `sqlite:${folder.path}/new/deep`;
  {
    await using server = await openBucketServer(url, TEST_OPTIONS);
    assert.equal(server.url, url);
    assert.deepEqual(await server.list(), []);
    await assert.rejects(server.open('b', { create: false }), told('missing', /"b"/));
    await using b = await server.open('b', { create: true });
    await using _ = await server.open('a-1', { create: true });
    await apply(b, putDocument(await b.openCollection('_default._default'), 'k'));
    assert.deepEqual(await server.list(), ['a-1', 'b']);
  }
  assert.deepEqual(await readdir(`${folder.path}/new/deep`), ['a-1.sqlite', 'b.sqlite']);
  await using server = await openBucketServer(url, TEST_OPTIONS);
  await using b = await server.open('b', { create: false });
  const c = await b.openCollection('_default._default');
  assert.notEqual(await b.get(c, docId('k')), undefined);
});

test('a name that is no bucket name is refused', async () => {
  await using folder = await testFolder();
  await using server = await openBucketServer(`sqlite:${folder.path}`, TEST_OPTIONS);
  for (const name of ['', '.', '..', '../x', 'a/b', 'a b', '.hidden', 'x'.repeat(101), 'é']) {
    await assert.rejects(server.open(name, { create: true }), told('badRequest', /name/));
  }
  assert.deepEqual(await readdir(folder.path), []);
});

test('a bucket opened twice is one, and closes with the last', async () => {
  await using folder = await testFolder();
  await using server = await openBucketServer(`sqlite:${folder.path}`, TEST_OPTIONS);
  const [one, two] = await Promise.all([
    server.open('b', { create: true }),
    server.open('b', { create: true }),
  ]);
  assert.equal(one.uuid, two.uuid);
  await one[Symbol.asyncDispose]();
  await one[Symbol.asyncDispose]();
  await assert.rejects(one.lastSequence(), told('unavailable', /closed/));
  assert.equal(await two.lastSequence(), 0);
  await two[Symbol.asyncDispose]();
  assert.deepEqual(await readdir(folder.path), ['b.sqlite']);
  await using again = await server.open('b', { create: false });
  assert.equal(again.uuid, one.uuid);
});

test('the feed of one who opened a bucket ends with his share', async () => {
  await using server = await openBucketServer('sqlite::memory:', TEST_OPTIONS);
  const one = await server.open('b', { create: true });
  await using _ = await server.open('b', { create: true });
  const pages = one.mutations(await one.lastSequence(), new AbortController().signal);
  const next = pages[Symbol.asyncIterator]().next();
  await one[Symbol.asyncDispose]();
  assert.equal((await next).done, true);
});

test('a bucket in memory is kept as long as its server, and leaves nothing', async () => {
  const server = await openBucketServer('sqlite::memory:', TEST_OPTIONS);
  const bucket = await server.open('b', { create: true });
  assert.equal(bucket.supports.manyProcesses, false);
  await apply(bucket, putDocument(await bucket.openCollection('s.c'), 'k'));
  await bucket[Symbol.asyncDispose]();
  const again = await server.open('b', { create: false });
  assert.equal(await again.lastSequence(), 1);
  await server[Symbol.asyncDispose]();
  await assert.rejects(again.lastSequence(), told('unavailable', /closed/));
  await using other = await openBucketServer('sqlite::memory:', TEST_OPTIONS);
  assert.deepEqual(await other.list(), []);
});

test('a file that is newer, of another application or no database is unavailable', async () => {
  await using folder = await testFolder();
  await using server = await openBucketServer(`sqlite:${folder.path}`, TEST_OPTIONS);
  await (await server.open('newer', { create: true }))[Symbol.asyncDispose]();
  for (const [name, sql] of [
    ['newer', 'PRAGMA user_version = 99'],
    ['other', 'CREATE TABLE theirs (x); PRAGMA user_version = 1'],
  ] as const) {
    const db = new DatabaseSync(`${folder.path}/${name}.sqlite`);
    db.exec(sql);
    db.close();
  }
  await writeFile(`${folder.path}/text.sqlite`, 'no database at all, '.repeat(100));
  const open = async (name: string) => await server.open(name, { create: true });
  await assert.rejects(open('newer'), told('unavailable', /version 99.*program's \d+/));
  await assert.rejects(open('other'), told('unavailable', /another application/));
  await assert.rejects(open('text'), told('unavailable', /not an SQLite database/));
});

test('the page of the bucket tells the version of the schema', async () => {
  await using folder = await testFolder();
  await using server = await openBucketServer(`sqlite:${folder.path}`, TEST_OPTIONS);
  await using _ = await server.open('b', { create: true });
  using db = new DatabaseSync(`${folder.path}/b.sqlite`);
  const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version']);
  const page = await readFile(new URL('../../docs/bucket.md', import.meta.url), 'utf8');
  assert.match(page, new RegExp(`version of the schema, ${version} in this version`));
  assert.match(page, new RegExp(`newer than this program's ${version}\``));
});
