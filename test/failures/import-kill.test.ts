import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createDatabase } from '../helpers/database.ts';
import { checkRace, race, untilAllImported, untilWritten } from '../helpers/import-race.ts';
import type { RaceOptions } from '../helpers/import-race.ts';
import { pauseBetweenCommits } from '../helpers/pause-between-commits.ts';
import type { GatewayProcess } from '../helpers/run-gateway.ts';
import { runGateway } from '../helpers/run-gateway.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

// Of three gateways that import what an application writes, one is killed and one is paused past
// its leases, under load: each state is imported exactly once, and nothing waits at the end
// (invariants 1, 6 and 7).

/** How often; the whole evidence is 10. */
const ROUNDS = Number(process.env['IMPORT_ROUNDS'] ?? 1);
const SEED = Number(process.env['TIDEGATE_SEED'] ?? randomInt(1e6));
/** As `LEASE_MS` of `src/cluster`, and some more. */
const PAST_LEASE_MS = 5000;

/** The gateways on one folder; clients write to those of `reachable`. */
class Gateways implements AsyncDisposable {
  readonly #dataDir: string;
  readonly all: GatewayProcess[] = [];
  readonly reachable: GatewayProcess[] = [];

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
  }

  async start(): Promise<GatewayProcess> {
    const gateway = await runGateway({ dataDir: this.#dataDir });
    this.all.push(gateway);
    this.reachable.push(gateway);
    return gateway;
  }

  async killOne(): Promise<void> {
    const killed = this.all.shift();
    assert.ok(killed !== undefined);
    this.#hide(killed);
    await killed.stop('SIGKILL');
    await this.start();
  }

  /** Clients are not sent to it meanwhile: they would wait. */
  async pauseOne(file: string): Promise<void> {
    const [paused] = this.all;
    assert.ok(paused !== undefined);
    this.#hide(paused);
    await pauseBetweenCommits(paused.pid, file);
    try {
      await sleep(PAST_LEASE_MS);
    } finally {
      process.kill(paused.pid, 'SIGCONT');
    }
    this.reachable.push(paused);
  }

  #hide(gateway: GatewayProcess): void {
    this.reachable.splice(this.reachable.indexOf(gateway), 1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map((gateway) => gateway.stop('SIGKILL')));
  }
}

for (let round = 0; round < ROUNDS; round += 1) {
  test(`importing gateways are killed and paused under load, round ${round}`, async (t) => {
    t.diagnostic(`seed ${SEED + round}`);
    await using folder = await temporaryFolder();
    await using gateways = new Gateways(folder.path);
    const first = await gateways.start();
    await createDatabase(first, 'killed', { revs_limit: 50_000, import_partitions: 7 });
    await Promise.all([gateways.start(), gateways.start()]);
    const options: RaceOptions = {
      file: `${folder.path}/killed.sqlite`,
      database: 'killed',
      keys: 50,
      seed: SEED + round,
      pauseMs: 3,
      clients: 3,
    };
    const log = await race(
      options,
      () => gateways.reachable,
      async (growing) => {
        await sleep(1000);
        await gateways.killOne();
        await sleep(500);
        await gateways.pauseOne(options.file);
        await untilWritten(growing, 100);
      },
    );
    for (const gateway of gateways.all) await untilAllImported(gateway, options);
    const imported = await checkRace(gateways.all, options, log);
    t.diagnostic(`${log.application.length} writes of the application, ${imported} are revisions`);
    t.diagnostic(`${log.clients.length} writes of clients`);
    assert.ok(imported > 10, 'they met');
  });
}
