import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { createDatabase } from '../helpers/database.ts';
import { request } from '../helpers/http.ts';
import { runGateway, type GatewayProcess } from '../helpers/run-gateway.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

// The process that removes tombstones is killed in the middle: another one ends it, and every
// tombstone is counted once (invariants 6 and 7).

const TOMBSTONES = 4000;
const BATCH = 1000;

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
