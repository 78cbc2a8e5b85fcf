import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createDatabase } from '../helpers/database.ts';
import { checkRace, race, untilAllImported, untilWritten } from '../helpers/import-race.ts';
import type { RaceOptions } from '../helpers/import-race.ts';
import { runGateway } from '../helpers/run-gateway.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

// Two gateways and an application write the same documents, as fast as they can: no write is lost
// to anybody but its writer, and each state that was imported is one revision (invariants 1 and 6).

/** How long; the whole evidence is 60. */
const SECONDS = Number(process.env['IMPORT_RACE_SECONDS'] ?? 2.5);
const SEED = Number(process.env['TIDEGATE_SEED'] ?? randomInt(1e6));

for (const importDocs of [true, false]) {
  test(`an application and the clients of two gateways, import_docs ${importDocs}`, async (t) => {
    t.diagnostic(`seed ${SEED}`);
    await using folder = await temporaryFolder();
    await using a = await runGateway({ dataDir: folder.path });
    const db = { import_docs: importDocs, revs_limit: 50_000 };
    await createDatabase(a, 'raced', db);
    await using b = await runGateway({ dataDir: folder.path });
    const options: RaceOptions = {
      file: `${folder.path}/raced.sqlite`,
      database: 'raced',
      keys: 50,
      seed: SEED,
      pauseMs: 3,
      clients: 6,
    };
    const log = await race(
      options,
      () => [a, b],
      async (growing) => {
        await sleep(SECONDS * 1000);
        await untilWritten(growing, 60);
      },
    );
    if (importDocs) await untilAllImported(a, options);
    const { application, clients } = log;
    const heard = clients.filter(({ rev }) => rev !== undefined).length;
    assert.equal(heard, clients.length, 'every client had its answers');
    // Without a feed a document is imported when it is asked for.
    const imported = await checkRace([a, b], options, log);
    t.diagnostic(`${application.length} writes of the application, ${imported} are revisions`);
    t.diagnostic(`${heard} acknowledged writes of clients`);
    assert.ok(imported > 10, 'they met');
  });
}
