import { test } from 'node:test';
import fc from 'fast-check';
import { runGateway, type GatewayProcess } from '../helpers/run-gateway.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { followers, stepsOf } from './collection-steps.ts';
import { CollectionsRun, type Served } from './collections-run.ts';

const SEED = Number(process.env['TIDEGATE_TEST_SEED'] ?? 20261124);
/** Of each kind. */
const RUNS = Number(process.env['TIDEGATE_TEST_RUNS'] ?? 3);

type Folder = Awaited<ReturnType<typeof temporaryFolder>>;

/** A gateway process over one folder; another follows it when it is killed. */
class KilledGateway implements Served, AsyncDisposable {
  readonly #folder: Folder;
  #process: GatewayProcess;

  private constructor(folder: Folder, process: GatewayProcess) {
    this.#folder = folder;
    this.#process = process;
  }

  static async start(): Promise<KilledGateway> {
    const folder = await temporaryFolder();
    return new KilledGateway(folder, await runGateway({ dataDir: `${folder.path}/data` }));
  }

  get urls(): Served['urls'] {
    return this.#process.urls;
  }

  async restart(): Promise<void> {
    await this.#process.stop('SIGKILL');
    this.#process = await runGateway({ dataDir: `${this.#folder.path}/data` });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stop();
    await this.#folder[Symbol.asyncDispose]();
  }
}

for (const [name, kills] of [
  ['who follows and who comes again, while others write', 0],
  ['who follows over kills of the gateway', 1],
] as const)
  test(`${name}: all hold what they may see of each collection (invariants 2 and 3)`, async (t) => {
    await using gateway = await KilledGateway.start();
    t.diagnostic(`seed ${SEED}`);
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(stepsOf({ kills }), followers, async (steps, following) => {
        await using run = new CollectionsRun(gateway, `run${runs++}`, following);
        await run.start();
        for (const step of steps) await run.take(step);
        await run.end();
      }),
      { seed: SEED, numRuns: RUNS, endOnFailure: true },
    );
  });
