import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { FeedLines } from '../helpers/feed-lines.ts';
import { request, type Answer, type RequestOptions } from '../helpers/http.ts';
import { runGateway, type GatewayProcess } from '../helpers/run-gateway.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

// Two gateways on one SQLite file: what one has acknowledged holds for the other.

/** What a process writes is in the feeds of the other within this, ms; mostly at once. */
const SEEN_WITHIN_MS = 2000;
const SEEN_MOSTLY_WITHIN_MS = 200;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let a: GatewayProcess;
let b: GatewayProcess;

before(async () => {
  folder = await temporaryFolder();
  const dataDir = `${folder.path}/data`;
  a = await runGateway({ dataDir });
  const sync = 'function (doc) { channel(doc.channels); if (doc.to) access(doc.to, doc.grant); }';
  const created = await request('PUT', `${a.urls.admin}/shared/`, { json: { sync } });
  assert.equal(created.status, 201, created.text);
  b = await runGateway({ dataDir });
});

after(async () => {
  await Promise.all([a.stop(), b.stop()]);
  await folder[Symbol.asyncDispose]();
});

const admin = ({ urls }: GatewayProcess): string => `${urls.admin}/shared`;
const clients = ({ urls }: GatewayProcess): string => `${urls.public}/shared`;

async function ok(method: string, url: string, options: RequestOptions = {}): Promise<Answer> {
  const answer = await request(method, url, options);
  assert(answer.status < 300, `${method} ${url}: ${answer.status} ${answer.text}`);
  return answer;
}

const revOf = ({ json }: Answer): string => (json as { rev: string }).rev;

/** That the reader may or may not, by the status that B tells it. */
async function assertStatus(path: string, status: number, options: RequestOptions): Promise<void> {
  const answer = await request('GET', `${clients(b)}/${path}`, options);
  assert.equal(answer.status, status, answer.text);
}

test('what one process writes, the other reads at once, and its feeds tell soon', async () => {
  await ok('PUT', `${admin(a)}/_user/reader`, {
    json: { password: 'letmein', admin_channels: ['news'] },
  });
  const as = 'reader:letmein';
  await using feed = await FeedLines.open(`${clients(b)}/_changes?since=0`, { as });
  const waits: number[] = [];
  for (let n = 0; n < 40; n += 1) {
    await ok('PUT', `${admin(a)}/news-${n}`, { json: { channels: ['news'] } });
    const begun = performance.now();
    await assertStatus(`news-${n}`, 200, { as });
    await feed.rowOf(`news-${n}`);
    waits.push(performance.now() - begun);
  }
  waits.sort((one, other) => one - other);
  assert(waits.at(-1)! < SEEN_WITHIN_MS, `the slowest took ${waits.at(-1)} ms`);
  assert(waits[20]! < SEEN_MOSTLY_WITHIN_MS, `half of them took more than ${waits[20]} ms`);
});

test('a longpoll of one process ends with a write of the other', async () => {
  const { update_seq: since } = (await ok('GET', `${admin(b)}/`)).json as { update_seq: number };
  const query = `feed=longpoll&since=${since}&timeout=20000&filter=sync_gateway/bychannel&channels=poll`;
  const waiting = ok('GET', `${admin(b)}/_changes?${query}`);
  await ok('PUT', `${admin(a)}/elsewhere`, { json: { channels: ['other'] } });
  const begun = performance.now();
  await ok('PUT', `${admin(a)}/polled`, { json: { channels: ['poll'] } });
  const { results } = (await waiting).json as unknown as { results: { id: string }[] };
  assert.deepEqual(
    results.map(({ id }) => id),
    ['polled'],
  );
  assert(performance.now() - begun < SEEN_WITHIN_MS);
});

test('users changed on one process hold on the other at once', async () => {
  const user = `${admin(a)}/_user/ann`;
  await ok('PUT', `${admin(a)}/secret`, { json: { channels: ['s'] } });
  await ok('PUT', user, { json: { password: 'letmein', admin_channels: ['s'] } });
  await assertStatus('secret', 200, { as: 'ann:letmein' });

  await ok('PUT', user, { json: { admin_channels: [] } });
  await assertStatus('secret', 403, { as: 'ann:letmein' });
  await ok('PUT', `${admin(a)}/_role/staff`, { json: { admin_channels: ['s'] } });
  await ok('PUT', user, { json: { admin_roles: ['staff'] } });
  await assertStatus('secret', 200, { as: 'ann:letmein' });
  await ok('DELETE', `${admin(a)}/_role/staff`);
  await assertStatus('secret', 403, { as: 'ann:letmein' });
  const grant = await ok('PUT', `${admin(a)}/grant`, { json: { to: 'ann', grant: ['s'] } });
  await assertStatus('secret', 200, { as: 'ann:letmein' });
  await ok('DELETE', `${admin(a)}/grant?rev=${revOf(grant)}`);
  await assertStatus('secret', 403, { as: 'ann:letmein' });

  await ok('PUT', user, { json: { password: 'changed' } });
  await assertStatus('', 401, { as: 'ann:letmein' });
  await assertStatus('', 200, { as: 'ann:changed' });
  await ok('PUT', user, { json: { disabled: true } });
  await assertStatus('', 401, { as: 'ann:changed' });
  await ok('PUT', user, { json: { disabled: false } });
  await assertStatus('', 200, { as: 'ann:changed' });
  await ok('DELETE', user);
  await assertStatus('', 401, { as: 'ann:changed' });
});

test('a session of one process is one of the other, as long as it lasts', async () => {
  await ok('PUT', `${admin(a)}/_user/bob`, { json: { password: 'letmein' } });
  const session = async (): Promise<string> => {
    const { json } = await ok('POST', `${admin(a)}/_session`, { json: { name: 'bob' } });
    return (json as { session_id: string }).session_id;
  };
  const cookie = (id: string): RequestOptions => ({
    headers: { cookie: `SyncGatewaySession=${id}` },
  });
  const [first, second] = [await session(), await session()];
  await assertStatus('', 200, cookie(first));
  await ok('DELETE', `${admin(a)}/_session/${first}`);
  await assertStatus('', 401, cookie(first));
  await assertStatus('', 200, cookie(second));
  await ok('PUT', `${admin(a)}/_user/bob`, { json: { password: 'changed' } });
  await assertStatus('', 401, cookie(second));
});

test('of conflicting writes to both processes exactly one wins', async () => {
  let rev = '';
  for (let round = 0; round < 40; round += 1) {
    const query = rev === '' ? '' : `?rev=${rev}`;
    const answers = await Promise.all(
      [a, b, a, b].map((gateway, n) =>
        request('PUT', `${admin(gateway)}/contended${query}`, { json: { round, n } }),
      ),
    );
    const statuses = answers.map(({ status }) => status).toSorted((one, other) => one - other);
    assert.deepEqual(statuses, [201, 409, 409, 409]);
    rev = revOf(answers.find(({ status }) => status === 201)!);
    for (const gateway of [a, b]) {
      const { json } = await ok('GET', `${admin(gateway)}/contended`);
      assert.equal((json as { _rev: string })._rev, rev);
    }
  }
});

test('many writers on both processes, one of which is killed: no acknowledgement is lost', async () => {
  const stored = new Map<string, string>();
  let isKilled = false;
  const write = async (gateway: GatewayProcess, name: string): Promise<void> => {
    for (let n = 0; n < 60; n += 1) {
      try {
        const answer = await ok('PUT', `${admin(gateway)}/${name}-${n}`, { json: { n } });
        stored.set(`${name}-${n}`, revOf(answer));
      } catch (cause) {
        if (gateway === b && isKilled && !(cause instanceof assert.AssertionError)) return;
        throw cause;
      }
      if (gateway !== b || n !== 30 || isKilled) continue;
      isKilled = true;
      await b.stop('SIGKILL');
    }
  };
  await Promise.all(
    ['w0', 'w1', 'w2', 'w3', 'w4', 'w5'].map((name, n) => write(n % 2 === 0 ? a : b, name)),
  );
  assert(stored.size > 60 * 3 + 30);
  b = await runGateway({ dataDir: `${folder.path}/data` });
  const feeds = await Promise.all([a, b].map((each) => ok('GET', `${admin(each)}/_changes`)));
  assert.deepEqual(feeds[0]?.json, feeds[1]?.json, 'both tell the same history');
  const { results } = feeds[0]!.json as unknown as {
    results: { id: string; changes: { rev: string }[] }[];
  };
  const told = new Map(results.map(({ id, changes }) => [id, changes[0]?.rev]));
  for (const [id, rev] of stored) assert.equal(told.get(id), rev, id);
});
