import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { createDatabase } from '../helpers/database.ts';
import { request } from '../helpers/http.ts';
import { runGateway, type GatewayProcess } from '../helpers/run-gateway.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

// The process that removes tombstones, or attachments that nothing refers to, is killed in the
// middle: another one, or it itself when it is started again, ends it, everything is counted once,
// and nothing is lost that is referred to (invariants 6 and 7).

const TOMBSTONES = 4000;
const BATCH = 1000;

/** Documents with an attachment of their own; the books of the first of them are wrong. */
const ATTACHED = 800;
const UNBOOKED = 300;
/** Attachments whose documents were purged. */
const ORPHANS = 2000;
/** Documents that the first phase has to go through, too. */
const OTHERS = 4000;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let a: GatewayProcess;
let b: GatewayProcess | undefined;

before(async () => {
  folder = await temporaryFolder();
  a = await runGateway({ dataDir: `${folder.path}/data` });
});

after(async () => {
  await Promise.all([a.stop(), b?.stop()]);
  await folder[Symbol.asyncDispose]();
});

interface Status {
  readonly status: string;
  readonly last_error: string;
  readonly docs_purged: number;
}

async function status({ urls }: GatewayProcess): Promise<Status> {
  const answer = await request('GET', `${urls.admin}/shared/_compact`);
  return answer.json as unknown as Status;
}

interface AttachmentStatus {
  readonly status: string;
  readonly last_error: string;
  readonly phase?: 'mark' | 'sweep';
  readonly marked_attachments: number;
  readonly purged_attachments: number;
}

async function attachmentStatus({ urls }: GatewayProcess): Promise<AttachmentStatus> {
  const answer = await request('GET', `${urls.admin}/attached/_compact?type=attachment`);
  return answer.json as unknown as AttachmentStatus;
}

async function count({ urls }: GatewayProcess): Promise<number> {
  const { json } = await request('GET', `${urls.admin}/shared/_changes`);
  return (json as { results: unknown[] }).results.length;
}

test('killed in the middle of a compaction, the other process ends it, and counts right', async () => {
  const { admin } = await createDatabase(a, 'shared', {});
  await request('PUT', `${admin}/living`, { json: {} });
  for (let from = 0; from < TOMBSTONES; from += BATCH) {
    const docs = Array.from({ length: BATCH }, (_, n) => ({ _id: `d${from + n}`, _deleted: true }));
    const answer = await request('POST', `${admin}/_bulk_docs`, { json: { docs } });
    assert.equal(answer.status, 201);
  }
  // They were deleted long ago.
  const file = new DatabaseSync(`${folder.path}/data/shared.sqlite`, { timeout: 5000 });
  file.exec(`UPDATE metadata SET text = json_set(text, '$.at', 1) WHERE key <> 'living'`);
  file.close();
  b = await runGateway({ dataDir: `${folder.path}/data` });
  assert.equal(await count(b), TOMBSTONES + 1);

  assert.equal((await request('POST', `${admin}/_compact`)).status, 200);
  await until('some are removed', async () =>
    (await status(a)).docs_purged > 0 ? true : undefined,
  );
  await a.stop('SIGKILL');
  const before = await status(b);
  assert.ok(before.docs_purged < TOMBSTONES, 'it was killed in the middle');
  const survivor = b;
  const end = await until(
    'the compaction has ended',
    async () => {
      const told = await status(survivor);
      return told.status === 'running' ? undefined : told;
    },
    { withinMs: 60_000 },
  );
  assert.partialDeepStrictEqual(end, {
    status: 'completed',
    last_error: '',
    docs_purged: TOMBSTONES,
  });
  assert.equal(await count(b), 1);
  a = await runGateway({ dataDir: `${folder.path}/data` });
  assert.deepEqual(await status(a), end);
  assert.equal(await count(a), 1);
});

const textOf = (id: string): string => `attachment of ${id} ${'x'.repeat(200)}`;
const named = (name: string, length: number): readonly string[] =>
  Array.from({ length }, (_, n) => `${name}${n}`);

async function putAttached(admin: string, ids: readonly string[]): Promise<void> {
  for (let from = 0; from < ids.length; from += BATCH) {
    const docs = ids.slice(from, from + BATCH).map((_id) => {
      const data = Buffer.from(textOf(_id)).toString('base64');
      return { _id, _attachments: { file: { data } } };
    });
    const answer = await request('POST', `${admin}/_bulk_docs`, { json: { docs } });
    assert.equal(answer.status, 201, answer.text);
  }
}

/** Books as after an error of the store: of some attachments nobody knows who refers to them. */
function spoilBooks(path: string): void {
  using file = new DatabaseSync(path, { timeout: 5000 });
  file.exec(`
    DELETE FROM attachment_references WHERE metadata IN (
      SELECT id FROM metadata WHERE key LIKE 'has%' AND CAST(substr(key, 4) AS INTEGER) < ${UNBOOKED}
    );
    UPDATE attachments SET unreferenced_since = NULL;
  `);
}

/** Attachments, and pieces of such that are gone. */
function stored(path: string): readonly unknown[] {
  using file = new DatabaseSync(path, { readOnly: true, timeout: 5000 });
  const one = (sql: string): unknown => Object.values(file.prepare(sql).get() ?? {})[0];
  return [
    one('SELECT count(*) FROM attachments'),
    one(
      'SELECT count(*) FROM attachment_chunks WHERE attachment NOT IN (SELECT id FROM attachments)',
    ),
  ];
}

test('killed in both phases of a compaction of attachments, all processes: garbage goes, no more', async () => {
  const { admin } = await createDatabase(a, 'attached', {});
  await putAttached(admin, named('has', ATTACHED));
  await putAttached(admin, named('gone', ORPHANS));
  const gone = Object.fromEntries(named('gone', ORPHANS).map((id) => [id, ['*']]));
  assert.equal((await request('POST', `${admin}/_purge`, { json: gone })).status, 200);
  for (let from = 0; from < OTHERS; from += BATCH) {
    const docs = named('other', BATCH).map((id) => ({ _id: `${id}-${from}` }));
    assert.equal((await request('POST', `${admin}/_bulk_docs`, { json: { docs } })).status, 201);
  }
  const path = `${folder.path}/data/attached.sqlite`;
  spoilBooks(path);
  await b?.stop();
  b = await runGateway({ dataDir: `${folder.path}/data` });

  assert.equal((await request('POST', `${admin}/_compact?type=attachment`)).status, 200);
  await a.stop('SIGKILL');
  const marking = await attachmentStatus(b);
  assert.deepEqual([marking.status, marking.phase], ['running', 'mark']);
  a = await runGateway({ dataDir: `${folder.path}/data` });
  const sweeping = await until(
    'some are removed',
    async () => {
      const told = await attachmentStatus(a);
      return told.purged_attachments > 0 ? told : undefined;
    },
    { withinMs: 60_000 },
  );
  await Promise.all([a.stop('SIGKILL'), b.stop('SIGKILL')]);
  b = undefined;
  assert.ok(sweeping.purged_attachments < ORPHANS, 'they were killed in the middle');

  a = await runGateway({ dataDir: `${folder.path}/data` });
  const end = await until(
    'the compaction has ended',
    async () => {
      const told = await attachmentStatus(a);
      return told.status === 'running' ? undefined : told;
    },
    { withinMs: 60_000 },
  );
  assert.partialDeepStrictEqual(end, {
    status: 'completed',
    last_error: '',
    marked_attachments: ATTACHED,
    purged_attachments: ORPHANS,
  });
  await until(
    'the bytes of what was removed are gone',
    () => (isDeepStrictEqual(stored(path), [ATTACHED, 0]) ? true : undefined),
    { withinMs: 60_000 },
  );
  for (const id of named('has', ATTACHED)) {
    const read = await request('GET', `${a.urls.admin}/attached/${id}/file`);
    assert.deepEqual([read.status, read.text], [200, textOf(id)]);
  }
});
