import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import type { TestDatabase } from './helpers/database.ts';
import { createDatabase } from './helpers/database.ts';
import type { TestGateway } from './helpers/gateway.ts';
import { startTestGateway } from './helpers/gateway.ts';
import type { Answer } from './helpers/http.ts';
import { request } from './helpers/http.ts';
import { until } from './helpers/until.ts';

// Compaction of attachments, over a bucket whose books somebody has put into disorder.

let gateway: TestGateway;
before(async () => {
  gateway = await startTestGateway();
});
after(async () => {
  await gateway[Symbol.asyncDispose]();
});

interface Status {
  readonly status: string;
  readonly last_error: string;
  readonly marked_attachments: number;
  readonly purged_attachments: number;
  readonly compact_id: string;
  readonly dry_run?: true;
}

const compact = (db: TestDatabase, query: string): Promise<Answer> =>
  request('POST', `${db.admin}/_compact?type=attachment${query}`);

async function completed(db: TestDatabase, query = ''): Promise<Status> {
  const started = await compact(db, query);
  assert.equal(started.status, 200, started.text);
  return until('the compaction is completed', async () => {
    const { json } = await request('GET', `${db.admin}/_compact?type=attachment`);
    const status = json as unknown as Status;
    return status.status === 'completed' ? status : undefined;
  });
}

async function put(db: TestDatabase, id: string, texts: readonly string[]): Promise<void> {
  const named = texts.map((text, n) => [`a${n}`, { data: Buffer.from(text).toString('base64') }]);
  const json = { _attachments: Object.fromEntries(named) as object };
  const answer = await request('PUT', `${db.admin}/${id}`, { json });
  assert.equal(answer.status, 201, answer.text);
}

/** The books of a bucket, as an application could change them. */
function books(bucket: string): Disposable & {
  run: (sql: string) => void;
  texts: () => readonly string[];
} {
  const db = new DatabaseSync(`${gateway.dataDir}/${bucket}.sqlite`, { timeout: 5000 });
  const all = db.prepare(
    `SELECT CAST(c.bytes AS TEXT) AS bytes FROM attachments a
     JOIN attachment_chunks c ON c.attachment = a.id WHERE a.digest IS NOT NULL ORDER BY 1`,
  );
  return {
    run: (sql) => db.exec(sql),
    texts: () => all.all().map(({ bytes }) => String(bytes)),
    [Symbol.dispose]: () => db.close(),
  };
}

const digestOf = (text: string): string =>
  `(SELECT a.digest FROM attachments a JOIN attachment_chunks c ON c.attachment = a.id
    WHERE c.bytes = CAST('${text}' AS BLOB))`;
const referencesTo = (text: string): string =>
  `DELETE FROM attachment_references WHERE digest = ${digestOf(text)};`;

test('what no document names is removed, and what one names is found, whatever the books say', async () => {
  const db = await createDatabase({ urls: gateway }, 'db', { bucket: 'att' });
  const other = await createDatabase({ urls: gateway }, 'other', {
    bucket: 'att',
    scopes: { s: { collections: { c: {} } } },
  });
  await put(db, 'd1', ['shared', 'one']);
  await put(db, 'd2', ['shared', 'unbooked']);
  await put(db, 'd3', ['lost']);
  await put(db, 'd4', ['gone']);
  await put({ ...other, admin: `${other.admin}.s.c` }, 'd1', ['others']);
  using bucket = books('att');
  // Booked for nobody, though d2 has it; and for nobody, with no document that has it.
  bucket.run(referencesTo('unbooked'));
  await request('POST', `${db.admin}/_purge`, { json: { d3: ['*'], d4: ['*'] } });
  bucket.run(`UPDATE attachments SET unreferenced_since = NULL WHERE digest = ${digestOf('lost')}`);
  // Booked for a document that is gone.
  bucket.run(`UPDATE attachments SET unreferenced_since = NULL WHERE digest = ${digestOf('gone')};
    INSERT INTO attachment_references (metadata, digest) SELECT 999999, ${digestOf('gone')}`);

  const dry = await completed(db, '&dry_run=true');
  assert.partialDeepStrictEqual(dry, {
    dry_run: true,
    marked_attachments: 4,
    purged_attachments: 1,
  });
  assert.deepEqual(bucket.texts(), ['gone', 'lost', 'one', 'others', 'shared', 'unbooked']);
  const real = await completed(db);
  assert.partialDeepStrictEqual(real, {
    status: 'completed',
    last_error: '',
    marked_attachments: 4,
    purged_attachments: 1,
  });
  assert.notEqual(real.compact_id, dry.compact_id);
  // The grace of what a document had that is gone begins now.
  assert.deepEqual(bucket.texts(), ['gone', 'one', 'others', 'shared', 'unbooked']);
  assert.equal((await request('GET', `${db.admin}/d2/a1`)).text, 'unbooked');
  assert.partialDeepStrictEqual(await completed(db), {
    marked_attachments: 4,
    purged_attachments: 0,
  });
  const { text } = await request('GET', `${gateway.metrics}/_metrics`);
  assert.match(text, /num_attachments_compacted\{database="db"\} 1/);
});

test('what is asked wrongly is refused, and a tombstone has a dry run, too', async () => {
  const db = await createDatabase({ urls: gateway }, 'wrong', { bucket: 'wrong' });
  const status = async (answer: Promise<Answer>): Promise<number> => (await answer).status;
  assert.equal(await status(compact(db, '&action=stop')), 400);
  assert.equal(await status(compact(db, '&action=nosuch')), 400);
  assert.equal(await status(request('GET', `${db.admin}/_compact?type=nosuch`)), 400);
  assert.equal(await status(request('PUT', `${db.admin}/_compact?type=attachment`)), 405);
  const never = await request('GET', `${db.admin}/_compact?type=attachment`);
  assert.deepEqual(never.json, {
    status: 'completed',
    start_time: '0001-01-01T00:00:00Z',
    last_error: '',
    marked_attachments: 0,
    purged_attachments: 0,
    compact_id: '',
  });
  const dry = await request('POST', `${db.admin}/_compact?dry_run=true`);
  assert.partialDeepStrictEqual(dry.json, { dry_run: true, docs_purged: 0 });
});
