import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestDatabase } from '../helpers/database.ts';
import { createDatabase } from '../helpers/database.ts';
import { FeedLines } from '../helpers/feed-lines.ts';
import { startTestGateway } from '../helpers/gateway.ts';
import { request } from '../helpers/http.ts';
import { PouchClient } from '../helpers/pouch-client.ts';
import { until } from '../helpers/until.ts';

// What an administrator does to one database while clients of two are in sync.

const GUEST = { disabled: false, admin_channels: ['*'] };
const DOCUMENTS_EACH = 20;

const admin = async ({ admin: url }: TestDatabase, what: string, json?: unknown): Promise<void> => {
  const [method = '', path = ''] = what.split(' ');
  const answer = await request(method, `${url}/${path}`, json === undefined ? {} : { json });
  assert.ok(answer.status < 300, `${what}: ${answer.status} ${answer.text}`);
};

const untilState = (database: TestDatabase, state: string) =>
  until(`it is ${state}`, async () => {
    const { json } = await request('GET', `${database.admin}/`);
    return (json as { state: string }).state === state || undefined;
  });

/** A client that writes all the time, and counts how often it is told of each revision. */
class BusyClient implements AsyncDisposable {
  readonly client: PouchClient;
  readonly #ids: string[] = [];

  constructor(name: string, database: TestDatabase) {
    this.client = new PouchClient({ name, url: database.public });
    this.client.startSync();
  }

  get ids(): readonly string[] {
    return this.#ids;
  }

  async write(part: string): Promise<void> {
    for (let n = 0; n < DOCUMENTS_EACH; n++) {
      const _id = `${this.client.name}-${part}-${n}`;
      await this.client.local.put({ _id, part });
      this.#ids.push(_id);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]();
  }
}

async function allHold(clients: readonly BusyClient[]): Promise<void> {
  const ids = clients.flatMap((each) => each.ids).toSorted();
  for (const { client } of clients) {
    await client.watch.until('all documents', ({ size }) => size === ids.length);
    assert.deepEqual([...client.watch.held.keys()].toSorted(), ids);
    for (const [id, revs] of client.acknowledged) assert.equal(revs.length, 1, `${id}: once`);
  }
}

test('one database goes offline, changes and comes back, and clients of neither lose anything', async () => {
  await using gateway = await startTestGateway();
  const urls = { public: gateway.public, admin: gateway.admin, metrics: gateway.metrics };
  const moved = await createDatabase({ urls }, 'moved', { guest: GUEST, offline: true });
  const calm = await createDatabase({ urls }, 'calm', { guest: GUEST });
  await admin(moved, 'POST _online');
  await using open = new AsyncDisposableStack();
  const clientsOf = (database: TestDatabase, ...names: readonly string[]) =>
    names.map((name) => open.use(new BusyClient(name, database)));
  const movedClients = clientsOf(moved, 'ann', 'bob');
  const calmClients = clientsOf(calm, 'cat', 'dan');
  // One that no retry helps: it ends with the first interruption.
  await using feed = await FeedLines.open(`${calm.public}/_changes?since=0&heartbeat=1000`);
  const all = [...movedClients, ...calmClients];
  const write = (part: string) => Promise.all(all.map((each) => each.write(part)));
  await write('before');
  await allHold(movedClients);

  await admin(moved, 'POST _offline');
  await write('offline');
  await admin(moved, 'PUT _config', {
    guest: GUEST,
    offline: true,
    sync: 'function (doc) { channel(doc.part); }',
  });
  await allHold(calmClients);
  await admin(moved, 'POST _online', { delay: 0.3 });
  await untilState(moved, 'Online');
  await allHold(movedClients);

  // Offline is asked for while it comes online, and each twice.
  await admin(moved, 'POST _offline');
  await write('twice');
  const asked = [admin(moved, 'POST _online'), admin(moved, 'POST _offline')];
  await Promise.all([...asked, admin(moved, 'POST _offline')]);
  await untilState(moved, 'Offline');
  for (let n = 0; n < 2; n++) await admin(moved, 'POST _online');
  await allHold(movedClients);
  await allHold(calmClients);

  const told = new Map<string, number>();
  const ids = calmClients.flatMap((each) => each.ids);
  while (told.size < ids.length) {
    const row = await feed.next();
    assert.ok(row !== undefined, 'the feed of the other database goes on');
    if (!row.id.startsWith('_user/')) told.set(row.id, (told.get(row.id) ?? 0) + 1);
  }
  assert.deepEqual(new Set(told.values()), new Set([1]), 'each once');
  const routed = await request(
    'GET',
    `${moved.public}/_changes?filter=sync_gateway/bychannel&channels=twice`,
  );
  const { results } = routed.json as unknown as { results: { id: string }[] };
  const byNewFunction = results.filter(({ id }) => id.includes('-twice-'));
  assert.equal(byNewFunction.length, 2 * DOCUMENTS_EACH, 'the new function acts');
});
