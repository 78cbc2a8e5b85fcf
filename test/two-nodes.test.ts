import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { FeedLines } from './helpers/feed-lines.ts';
import type { Answer, JsonValue } from './helpers/http.ts';
import { request } from './helpers/http.ts';
import type { GatewayProcess } from './helpers/run-gateway.ts';
import { runGateway } from './helpers/run-gateway.ts';
import { temporaryFolder } from './helpers/temporary-folder.ts';
import { until } from './helpers/until.ts';

// Processes that share their buckets: what an administrator does on one of them is so on the other.

const GUEST = { disabled: false, admin_channels: ['*'] };
const object = (json: JsonValue) => json as { readonly [key: string]: JsonValue };

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let a: GatewayProcess;
let b: GatewayProcess;
/** Of another configuration group. */
let other: GatewayProcess;

before(async () => {
  folder = await temporaryFolder();
  const config = `${folder.path}/other.json`;
  await writeFile(config, JSON.stringify({ bootstrap: { group_id: 'other' } }));
  const dataDir = `${folder.path}/data`;
  a = await runGateway({ dataDir });
  [b, other] = await Promise.all([
    runGateway({ dataDir }),
    runGateway({ dataDir, flags: ['--config', config] }),
  ]);
});
after(async () => {
  await Promise.all([a, b, other].map((node) => node?.[Symbol.asyncDispose]()));
  await folder?.[Symbol.asyncDispose]();
});

/** `what`: method and path on the admin port, as `PUT db/`. */
function send(node: GatewayProcess, what: string, json?: unknown): Promise<Answer> {
  const [method = '', path = ''] = what.split(' ');
  const url = `${node.urls.admin}/${path}`;
  return request(method, url, json === undefined ? {} : { json });
}

async function ok(node: GatewayProcess, what: string, json?: unknown): Promise<Answer> {
  const answer = await send(node, what, json);
  assert.ok(answer.status < 300, `${what}: ${answer.status} ${answer.text}`);
  return answer;
}

async function untilAnswers(
  node: GatewayProcess,
  path: string,
  isSo: (answer: Answer) => boolean,
): Promise<Answer> {
  return until(
    path,
    async () => {
      const answer = await send(node, `GET ${path}`);
      return isSo(answer) ? answer : undefined;
    },
    { withinMs: 20_000 },
  );
}

const untilState = (node: GatewayProcess, name: string, state: string) =>
  untilAnswers(node, `${name}/`, ({ json }) => object(json)?.['state'] === state);
const untilServed = (node: GatewayProcess, name: string) =>
  untilAnswers(node, `${name}/`, ({ status }) => status === 200);
const untilGone = (node: GatewayProcess, name: string) =>
  untilAnswers(node, `${name}/`, ({ status }) => status === 404);

describe('of two nodes', { concurrency: true }, () => {
  test('a database that one creates, changes and deletes the other serves, changes and ends', async () => {
    await ok(a, 'PUT life/', { guest: GUEST, sync: 'function () { channel("one"); }' });
    await untilServed(b, 'life');
    await ok(b, 'PUT life/by-b', {});
    await ok(b, 'GET life/by-b');
    await using feed = await FeedLines.open(`${b.urls.public}/life/_changes?since=0`);
    await feed.rowOf('by-b');
    await ok(a, 'POST life/_config', { revs_limit: 77 });
    await untilAnswers(b, 'life/_config', ({ json }) => object(json)['revs_limit'] === 77);
    assert.equal(await feed.next(), undefined, 'a feed of the old configuration ends');
    const twice = await send(b, 'PUT life/', {});
    assert.equal(twice.status, 412);
    await ok(a, 'DELETE life/');
    await untilGone(b, 'life');
    assert.equal((await request('GET', `${b.urls.public}/life/by-b`)).status, 401);
    await ok(b, 'PUT life/', { guest: GUEST });
    await untilServed(a, 'life');
    await ok(a, 'GET life/by-b');
  });

  test('in a bucket that is new, or that neither serves, it is found too', async () => {
    await ok(a, 'PUT fresh/', { bucket: 'fresh-bucket' });
    await untilServed(b, 'fresh');
    await ok(b, 'DELETE fresh/');
    await untilGone(a, 'fresh');
    await ok(b, 'PUT renamed/', { bucket: 'fresh-bucket' });
    await untilServed(a, 'renamed');
    assert.equal((await send(a, 'GET fresh/')).status, 404);
  });

  test('offline and online are the group’s, unless they are said to be of the node', async () => {
    await ok(a, 'PUT shared/', {});
    await untilServed(b, 'shared');
    for (let n = 0; n < 2; n++) await ok(a, 'POST shared/_offline');
    const told = await untilState(b, 'shared', 'Offline');
    assert.equal(object(told.json)['state_scope'], undefined);
    const { json } = await send(b, 'GET shared/?verbose=true');
    assert.equal(object(json)['state_reason'], 'another node took it offline');
    for (let n = 0; n < 2; n++) await ok(b, 'POST shared/_online');
    await untilState(a, 'shared', 'Online');

    for (let n = 0; n < 2; n++) await ok(b, 'POST shared/_offline?scope=node');
    const own = object((await send(b, 'GET shared/')).json);
    assert.deepEqual([own['state'], own['state_scope']], ['Offline', 'node']);
    await ok(a, 'POST shared/_config', { revs_limit: 44 });
    await untilAnswers(
      b,
      'shared/_config',
      ({ json: config }) => object(config)['revs_limit'] === 44,
    );
    assert.equal(object((await send(b, 'GET shared/')).json)['state'], 'Offline');
    assert.equal(object((await send(a, 'GET shared/')).json)['state'], 'Online');
    await ok(b, 'POST shared/_online?scope=node');
    const back = object((await send(b, 'GET shared/')).json);
    assert.deepEqual([back['state'], back['state_scope']], ['Online', undefined]);

    await ok(a, 'POST shared/_offline');
    await untilState(b, 'shared', 'Offline');
    await ok(b, 'POST shared/_online?scope=node');
    assert.equal(object((await send(b, 'GET shared/')).json)['state_scope'], 'node');
    assert.equal(object((await send(a, 'GET shared/')).json)['state'], 'Offline');
    assert.equal((await send(b, 'PUT shared/d', {})).status, 201);
    await ok(b, 'POST shared/_online');
    await untilState(a, 'shared', 'Online');
    assert.equal((await send(a, 'POST shared/_offline?scope=all')).status, 400);
  });

  test('of two that create at once one wins, and both serve what it created', async () => {
    const answers = await Promise.all(
      [a, b, a, b].map((node, n) =>
        send(node, 'PUT raced/', { bucket: 'raced', revs_limit: 50 + n }),
      ),
    );
    const statuses = answers.map(({ status }) => status).toSorted((one, two) => one - two);
    assert.deepEqual(statuses.slice(1), [412, 412, 412], JSON.stringify(statuses));
    assert.equal(statuses[0], 201);
    const limit = 50 + answers.findIndex(({ status }) => status === 201);
    for (const node of [a, b]) {
      await untilServed(node, 'raced');
      assert.equal(object((await send(node, 'GET raced/_config')).json)['revs_limit'], limit);
    }
    const claims = await Promise.all(
      [a, b].map((node, n) => send(node, `PUT claim${n}/`, { bucket: 'raced' })),
    );
    for (const { status, text } of claims) assert.equal(status, 409, text);
  });

  test('a database that is deleted while the other writes to it keeps what was acknowledged', async () => {
    await ok(a, 'PUT ending/', {});
    await untilServed(b, 'ending');
    const acknowledged: string[] = [];
    let refused: number | undefined;
    const writing = (async () => {
      for (let n = 0; refused === undefined; n++) {
        const { status } = await send(b, `PUT ending/d${n}`, {});
        if (status === 201) acknowledged.push(`d${n}`);
        else refused = status;
      }
    })();
    await until('some are there', () => (acknowledged.length > 3 ? true : undefined));
    await ok(a, 'DELETE ending/');
    await writing;
    assert.ok(refused === 404 || refused === 503, String(refused));
    await ok(a, 'PUT ending/', {});
    for (const id of acknowledged) await ok(a, `GET ending/${id}`);
  });

  test('a node of another group sees none of them, and has its own under the same name', async () => {
    await ok(a, 'PUT grouped/', { bucket: 'grouped', revs_limit: 31 });
    await ok(other, 'PUT grouped/', { bucket: 'grouped', revs_limit: 32 });
    await untilServed(b, 'grouped');
    for (const [node, limit] of [
      [a, 31],
      [b, 31],
      [other, 32],
    ] as const) {
      const { json } = await ok(node, 'GET grouped/_config');
      assert.equal(object(json)['revs_limit'], limit);
    }
    await ok(other, 'PUT grouped/d', {});
    await ok(b, 'GET grouped/d');
    await ok(other, 'POST grouped/_offline');
    await ok(a, 'PUT grouped/e', {});
    await ok(other, 'DELETE grouped/');
    assert.equal((await send(other, 'GET grouped/')).status, 404);
    await ok(b, 'GET grouped/_config');
    const { json } = await ok(other, 'GET _all_dbs');
    assert.ok(!(json as readonly string[]).includes('grouped'));
  });
});
