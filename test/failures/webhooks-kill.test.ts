import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { createDatabase } from '../helpers/database.ts';
import { HookReceiver } from '../helpers/hook-receiver.ts';
import { request } from '../helpers/http.ts';
import type { GatewayProcess } from '../helpers/run-gateway.ts';
import { runGateway } from '../helpers/run-gateway.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

/** How many changes; the whole evidence is 10,000. */
const CHANGES = Number(process.env['TIDEGATE_WEBHOOK_CHANGES'] ?? 600);
const DOCUMENTS = Math.ceil(CHANGES / 10);
const SEED = Number(process.env['TIDEGATE_SEED'] ?? 42);
/** Every so manieth document is one that the receiver never takes. */
const REFUSED_EACH = 50;
const WRITERS = 4;
const TOLD_WITHIN_MS = 180_000;

const isRefused = (id: unknown): boolean => Number(String(id).slice(1)) % REFUSED_EACH === 0;

/** A small generator of numbers in [0, 1), the same for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** What was written and acknowledged: of each document its revisions, in order. */
type Ledger = Map<string, string[]>;

test('every change is told, in order, by a gateway that is killed to a receiver that fails', async (t) => {
  t.diagnostic(`seed ${SEED}`);
  const random = randomOf(SEED);
  await using folder = await temporaryFolder();
  await using hook = await HookReceiver.start();
  hook.answer = async ({ json }) => {
    if (isRefused(json['_id'])) return 422;
    const chance = random();
    if (chance < 0.05) return (response) => response.destroy();
    if (chance < 0.15) return 500;
    if (chance < 0.2) return 503;
    await sleep(chance * 20);
    return 200;
  };
  let gateway = await runGateway({ dataDir: folder.path });
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(async () => void (await gateway.stop('SIGKILL')));
  await createDatabase(gateway, 'db', {
    event_handlers: {
      max_processes: 50,
      document_changed: [{ handler: 'webhook', id: 'hook', url: hook.url, max_attempts: 3 }],
    },
  });
  const ledger: Ledger = new Map();
  const killAt = [Math.floor(CHANGES / 3), Math.floor((2 * CHANGES) / 3)];
  let written = 0;
  for (const goal of [...killAt, CHANGES]) {
    written = await write(gateway, ledger, { from: written, to: goal });
    if (goal === CHANGES) break;
    await gateway.stop('SIGKILL');
    if (goal === killAt[0]) await hook.close();
    gateway = await runGateway({ dataDir: folder.path });
    if (!hook.isOpen) await hook.reopen();
  }
  await until('nothing is left to tell', () => isAllTold(gateway), { withinMs: TOLD_WITHIN_MS });
  const dead = await deadLetters(gateway);
  checkAllTold(ledger, hook, dead);
  t.diagnostic(`${written} changes, ${hook.asked} requests, ${hook.accepted.length} accepted`);
  t.diagnostic(`${dead.size} dead letters`);
});

test('what was told past hundreds of events that are refused is not told again after a kill', async () => {
  await using folder = await temporaryFolder();
  await using hook = await HookReceiver.start();
  hook.answer = ({ json }) => (json['bad'] === true ? 422 : 200);
  let gateway = await runGateway({ dataDir: folder.path });
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(async () => void (await gateway.stop('SIGKILL')));
  await createDatabase(gateway, 'db', {
    event_handlers: { document_changed: [{ handler: 'webhook', id: 'hook', url: hook.url }] },
  });
  const docs = Array.from({ length: 1100 }, (_, n) => ({ _id: `d${n}`, bad: n % 2 === 0 }));
  const put = async (some: readonly object[]): Promise<{ id: string; rev: string }[]> => {
    const { json } = await request('POST', `${gateway.urls.admin}/db/_bulk_docs`, {
      json: { docs: some },
    });
    return json as unknown as { id: string; rev: string }[];
  };
  const written = await put(docs);
  await hook.until(550);
  await until('it is stored', () => storedBeyond(folder.path) >= 550 || undefined);
  await gateway.stop('SIGKILL');
  gateway = await runGateway({ dataDir: folder.path });
  hook.answer = () => 200;
  const [, told] = written;
  await put([{ _id: told!.id, _rev: told!.rev, again: true }]);
  await until('all is told', () => isAllTold(gateway), { withinMs: TOLD_WITHIN_MS });
  assert.equal(hook.accepted.length, 1101);
  assert.equal(new Set(hook.documents).size, 1101);
});

/** How many sequences past the position are stored as told. */
function storedBeyond(dataDir: string): number {
  const file = new DatabaseSync(`${dataDir}/db.sqlite`, { readOnly: true });
  try {
    const query = "SELECT value FROM records WHERE kind = 'event_position'";
    const { told } = JSON.parse(String(file.prepare(query).get()?.['value'])) as {
      told: readonly number[];
    };
    // Of each range the gap before it, and how many come after its first.
    return told.reduce((sum, number, at) => sum + (at % 2 === 1 ? number + 1 : 0), 0);
  } finally {
    file.close();
  }
}

/** Changes numbers `from` to `to`, by several clients at once; a document by one of them. */
async function write(
  { urls }: GatewayProcess,
  ledger: Ledger,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<number> {
  const writer = async (own: number): Promise<void> => {
    for (let n = from; n < to; n += 1) {
      const document = n % DOCUMENTS;
      if (document % WRITERS !== own) continue;
      const id = `d${document}`;
      const revs = ledger.get(id) ?? [];
      const rev = revs.at(-1);
      const answer = await request('PUT', `${urls.admin}/db/${id}`, {
        json: { n, ...(rev === undefined ? {} : { _rev: rev }) },
      });
      assert.equal(answer.status, 201, answer.text);
      ledger.set(id, [...revs, (answer.json as { rev: string }).rev]);
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, (_, own) => writer(own)));
  return to;
}

async function isAllTold({ urls }: GatewayProcess): Promise<true | undefined> {
  const { json } = await request('GET', `${urls.admin}/db/_events`);
  const [handler] = (json as unknown as { document_changed: { lag: number }[] }).document_changed;
  return handler?.lag === 0 || undefined;
}

/** `id rev` of each. */
async function deadLetters({ urls }: GatewayProcess): Promise<ReadonlySet<string>> {
  const { json } = await request('GET', `${urls.admin}/db/_events/dead_letters`);
  const { dead_letters: letters } = json as unknown as {
    dead_letters: { doc: string; rev: string }[];
  };
  return new Set(letters.map(({ doc, rev }) => `${doc} ${rev}`));
}

function checkAllTold(ledger: Ledger, hook: HookReceiver, dead: ReadonlySet<string>): void {
  const first = new Map<string, number>();
  for (const [index, document] of hook.documents.entries())
    if (!first.has(document)) first.set(document, index);
  const lost: string[] = [];
  const disordered: string[] = [];
  for (const [id, revs] of ledger) {
    let last = -1;
    for (const rev of revs) {
      const told = first.get(`${id} ${rev}`);
      const isDead = dead.has(`${id} ${rev}`);
      if (told === undefined && !isDead) lost.push(`${id} ${rev}`);
      // What was given up before a kill may be told after it.
      if (told !== undefined && told < last && !isDead) disordered.push(`${id} ${rev}`);
      if (!isDead) last = told ?? last;
      if (isRefused(id)) assert.ok(dead.has(`${id} ${rev}`), `${id} ${rev} is a dead letter`);
    }
  }
  assert.deepEqual(lost, [], 'lost');
  assert.deepEqual(disordered, [], 'out of order');
}
