import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import fc from 'fast-check';
import { request } from '../helpers/http.ts';
import { runGateway, type GatewayProcess } from '../helpers/run-gateway.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { CHANNELS, CrashClient, step, SYNC_FUNCTION, type Step } from './crash-client.ts';
import { assertAgreement, CrashLedger, feedOf } from './crash-ledger.ts';

const STEPS = 600;
/** A gateway lives for about so many steps. */
const LIFE_STEPS_MAX = 140;

interface Served {
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly ledger: CrashLedger;
  readonly clients: readonly CrashClient[];
}

function served(name: string, more: Readonly<Record<string, unknown>> = {}): Served {
  const ledger = new CrashLedger();
  const clients = ['x', 'y', 'z'].map((client) => new CrashClient(`${name}-${client}`, ledger));
  return { name, config: { sync: SYNC_FUNCTION, revs_limit: 2000, ...more }, ledger, clients };
}

/** Clients take steps, all at once, until so many are taken; then the gateway is killed. */
async function liveAndDie(
  gateway: GatewayProcess,
  databases: readonly Served[],
  steps: readonly Step[],
): Promise<void> {
  const queue = [...steps];
  let isKilled = false;
  const work = async (client: CrashClient, db: string): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      try {
        await client.take(db, next);
      } catch (cause) {
        // What was under way when it died has no answer: so it is not acknowledged.
        if (isKilled && !(cause instanceof assert.AssertionError)) return;
        throw cause;
      }
      // While the others have requests under way.
      if (queue.length === 0 && !isKilled) {
        isKilled = true;
        await gateway.stop('SIGKILL');
      }
    }
  };
  await Promise.all(
    databases.flatMap(({ name, clients }) =>
      clients.map((client) => work(client, `${gateway.urls.admin}/${name}`)),
    ),
  );
}

async function assertWhole(gateway: GatewayProcess, database: Served): Promise<void> {
  const db = `${gateway.urls.admin}/${database.name}`;
  await database.ledger.assertKept(db);
  await assertAgreement(db, CHANNELS);
  const rows = await feedOf(db, 'since=0');
  const winners = rows.map(
    ({ id, changes, deleted }) => [id, deleted === true ? undefined : changes[0]?.rev] as const,
  );
  for (const client of database.clients) {
    await client.follow(db);
    assert.deepEqual(client.held, new Map(winners), 'who followed holds what there is');
  }
}

function assertIntegrity(dataDir: string, { name }: Served): void {
  const db = new DatabaseSync(`${dataDir}/${name}.sqlite`, { readOnly: true });
  assert.deepEqual({ ...db.prepare('PRAGMA integrity_check').get() }, { integrity_check: 'ok' });
  db.close();
}

async function create(gateway: GatewayProcess, { name, config }: Served): Promise<void> {
  const db = `${gateway.urls.admin}/${name}`;
  const created = await request('PUT', `${db}/`, { json: config });
  assert.equal(created.status, 201, created.text);
  const reader = await request('PUT', `${db}/_user/reader`, { json: { password: 'letmein' } });
  assert.equal(reader.status, 201, reader.text);
}

test('no kill -9 takes away what was acknowledged, or leaves a half of anything (invariant 1)', async (t) => {
  const seed = Number(process.env['TIDEGATE_TEST_SEED'] ?? 20261124);
  t.diagnostic(`seed ${seed}`);
  await using folder = await temporaryFolder();
  const dataDir = `${folder.path}/data`;
  const databases = [served('plain'), served('branched', { allow_conflicts: true })];
  const steps = fc.sample(step, { seed, numRuns: STEPS });
  const lives = fc.sample(fc.integer({ min: 20, max: LIFE_STEPS_MAX }), { seed, numRuns: STEPS });
  for (const [life, length] of lives.entries()) {
    await using gateway = await runGateway({ dataDir });
    for (const database of databases) {
      if (life === 0) await create(gateway, database);
      await assertWhole(gateway, database);
      assertIntegrity(dataDir, database);
    }
    if (steps.length === 0) break;
    await liveAndDie(gateway, databases, steps.splice(0, length));
  }
  const acknowledged = databases.reduce((sum, { ledger }) => sum + ledger.acknowledged, 0);
  t.diagnostic(`${STEPS} steps, ${acknowledged} acknowledged`);
  assert(acknowledged > STEPS / 2);
});
