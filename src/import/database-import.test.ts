import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { parseDocId } from '../document/doc-id.ts';
import { systemClock as clock } from '../util/clock.ts';
import type { TestDatabase } from './test-database.ts';
import { BUSY_MS, openTestDatabase } from './test-database.ts';

/** An application’s connection to the file. */
const application = ({ file }: TestDatabase): DatabaseSync =>
  new DatabaseSync(file, { timeout: 5000 });

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await clock.sleep(5);
}

const backlogOf = async ({ imports }: TestDatabase): Promise<number> =>
  (await imports.status()).backlog;

test('a file that an application keeps locked is waited for, and nothing is lost', async () => {
  await using opened = await openTestDatabase();
  const { bucket, logged } = opened;
  using app = application(opened);
  app.exec(`INSERT INTO documents (key, body) VALUES ('first', '{}')`);
  await until(async () => (await bucket.lastSequence()) === 1);
  app.exec(`
    BEGIN IMMEDIATE;
    WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 2000)
      INSERT INTO documents (key, body) SELECT 'd' || n, json_object('n', n) FROM n;
    COMMIT;
    BEGIN IMMEDIATE`);
  await until(() => logged.includes('the import cannot get on; trying on'));
  assert.ok((await backlogOf(opened)) > 0, 'it was locked before all was imported');
  app.exec('ROLLBACK');
  await until(async () => (await backlogOf(opened)) === 0);
  assert.equal(await bucket.lastSequence(), 2001);
});

test('a document whose metadata is broken is listed, and keeps nobody waiting', async () => {
  await using opened = await openTestDatabase();
  const { bucket, imports, logged } = opened;
  using app = application(opened);
  app.exec(`INSERT INTO documents (key, body) VALUES ('broken', '{}'), ('good', '{}')`);
  await until(async () => (await bucket.lastSequence()) === 2);
  app.exec(`
    UPDATE metadata SET text = '{' WHERE key = 'broken';
    UPDATE documents SET body = '{"n":1}'`);
  await until(() => logged.includes('a document cannot be imported'));
  await until(async () => (await backlogOf(opened)) === 0);
  const page = await imports.rejected({ collection: undefined, after: undefined, limit: 9 });
  assert.deepEqual(
    page.rejected.map(({ id, by }) => [id, by]),
    [['broken', 'body']],
  );
  const id = await bucket.openCollection('_default._default');
  assert.match((await bucket.get(id, parseDocId('good')))?.metadata?.rev ?? '', /^2-/);
});

test('it ends at once, also where functions loop', async () => {
  const opened = await openTestDatabase({ sync: 'function () { while (true) ; }' });
  const { imports } = opened;
  using app = application(opened);
  app.exec(`
    WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 1000)
      INSERT INTO documents (key, body) SELECT 'd' || n, json_object('n', n) FROM n`);
  await until(() => imports.summary.partitions > 0);
  await clock.sleep(BUSY_MS);
  const startedAt = clock.now();
  await imports[Symbol.asyncDispose]();
  assert.ok(clock.now() - startedAt < 5000, 'a batch of them takes half a minute');
  await opened[Symbol.asyncDispose]();
});
