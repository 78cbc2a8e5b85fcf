import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { FeedLines } from '../helpers/feed-lines.ts';
import { request } from '../helpers/http.ts';
import { runGateway, type GatewayProcess } from '../helpers/run-gateway.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';
import { descendantsOf } from './process-memory.ts';
import { sendRaw } from './raw-connection.ts';

/** As the issue of this has it. */
const STOPS_WITHIN_MS = 10_000;
const AT_ONCE_MS = 2000;

const JSON_HEAD = 'Host: gateway\r\nContent-Type: application/json\r\n';
const halfWrite = (id: string): string =>
  `PUT /demo/${id} HTTP/1.1\r\n${JSON_HEAD}Content-Length: 9\r\n\r\n{"a"`;

async function stopped(
  gateway: GatewayProcess,
  signal: NodeJS.Signals = 'SIGTERM',
): Promise<{ readonly code: number | null; readonly ms: number }> {
  const begun = performance.now();
  const code = await gateway.stop(signal);
  return { code, ms: performance.now() - begun };
}

/** Resolves when the gateway does what it was told: it takes no new connections. */
async function stopping({ urls }: GatewayProcess): Promise<void> {
  await until('the gateway stops', async () => {
    try {
      await request('GET', `${urls.public}/_ping`);
      return undefined;
    } catch {
      // Refused: that is what this waits for.
      return true;
    }
  });
}

for (const signal of ['SIGTERM', 'SIGINT'] as const)
  test(`${signal} ends feeds, finishes what was begun, and ends with 0`, async () => {
    await using folder = await temporaryFolder();
    await using gateway = await runGateway({ dataDir: folder.path });
    const db = `${gateway.urls.public}/demo`;
    const feeds = await Promise.all(
      Array.from({ length: 20 }, () => FeedLines.open(`${db}/_changes?since=0&heartbeat=1000`)),
    );
    const poll = request('GET', `${db}/_changes?feed=longpoll&since=999&timeout=60000`);
    // It comes to its end when the gateway has long been told to stop.
    const slow = sendRaw(gateway.urls.public, halfWrite('slow'), { later: [[1500, ':"x"}']] });
    assert.equal((await request('PUT', `${db}/seen`, { json: {} })).status, 201);
    for (const feed of feeds) await feed.rowOf('seen');
    const ended = stopped(gateway, signal);
    await stopping(gateway);
    for (const feed of feeds) assert.equal(await feed.next(), undefined, 'a feed ends whole');
    assert.equal((await poll).status, 200);
    assert.equal((await slow).status, 201);
    const { code, ms } = await ended;
    assert.equal(code, 0, gateway.log());
    assert(ms < 4000, `it took ${ms} ms`);

    await using again = await runGateway({ dataDir: folder.path });
    assert.equal((await request('GET', `${again.urls.public}/demo/slow`)).status, 200);
  });

test('a request that does not come to its end is cut off in time, and the exit is still 0', async () => {
  await using folder = await temporaryFolder();
  await using gateway = await runGateway({ dataDir: folder.path });
  const endless = sendRaw(gateway.urls.public, halfWrite('endless'));
  const silent = sendRaw(gateway.urls.public, '');
  assert.equal((await request('GET', `${gateway.urls.public}/_ping`)).status, 200);
  const { code, ms } = await stopped(gateway);
  assert.equal(code, 0, gateway.log());
  assert(ms < STOPS_WITHIN_MS, `it took ${ms} ms`);
  assert.equal((await endless).status, undefined);
  assert.equal((await silent).status, undefined);
});

test('a second SIGTERM ends it at once', async () => {
  await using folder = await temporaryFolder();
  await using gateway = await runGateway({ dataDir: folder.path });
  const endless = sendRaw(gateway.urls.public, halfWrite('endless'));
  assert.equal((await request('GET', `${gateway.urls.public}/_ping`)).status, 200);
  const first = gateway.stop();
  await stopping(gateway);
  const { code, ms } = await stopped(gateway);
  assert.equal(code, 128 + 15);
  assert.equal(await first, 128 + 15);
  assert(ms < AT_ONCE_MS, `it took ${ms} ms`);
  await endless;
});

test('nothing of a gateway that is killed stays behind', async () => {
  await using folder = await temporaryFolder();
  await using gateway = await runGateway({ dataDir: folder.path });
  const children = descendantsOf(gateway.pid);
  assert(children.length > 0);
  await gateway.stop('SIGKILL');
  await until('its children are gone', () => {
    const left = new Set(readdirSync('/proc'));
    return children.some((pid) => left.has(`${pid}`)) ? undefined : true;
  });
});

test('a port in use is told, and who has it goes on', async () => {
  await using folder = await temporaryFolder();
  await using gateway = await runGateway({ dataDir: `${folder.path}/one` });
  for (const name of ['public', 'admin', 'metrics'] as const) {
    const address = new URL(gateway.urls[name]).host;
    const flags = [`--${name}-interface`, address];
    await assert.rejects(runGateway({ dataDir: `${folder.path}/two`, flags }), (cause: Error) => {
      assert.match(cause.message, new RegExp(`${address} is in use`));
      assert.match(cause.message, new RegExp(`--${name}-interface`));
      return true;
    });
  }
  assert.equal((await request('GET', `${gateway.urls.public}/demo/`)).status, 200);
});

test('an admin or metrics interface beyond loopback is refused before anything is written', async () => {
  await using folder = await temporaryFolder();
  for (const name of ['admin', 'metrics'])
    for (const address of ['0.0.0.0:0', ':0', '[::]:0', '192.168.7.7:0', 'example.com:0']) {
      const flags = [`--${name}-interface`, address];
      await assert.rejects(
        runGateway({ dataDir: `${folder.path}/data`, flags }),
        (cause: Error) => {
          assert.match(cause.message, new RegExp(`api\\.${name}_interface.*loopback`));
          return true;
        },
      );
    }
  assert.deepEqual(readdirSync(folder.path), []);
});

test('a bucket of a newer schema is refused, left as it is, and keeps nobody else from serving', async () => {
  await using folder = await temporaryFolder();
  const dataDir = `${folder.path}/data`;
  const config = `${folder.path}/config.json`;
  await writeFile(config, '{}');
  const flags = ['--config', config];
  {
    await using gateway = await runGateway({ dataDir, flags });
    for (const name of ['newer', 'same']) {
      const created = await request('PUT', `${gateway.urls.admin}/${name}/`, { json: {} });
      assert.equal(created.status, 201, created.text);
    }
  }
  const file = `${dataDir}/newer.sqlite`;
  const db = new DatabaseSync(file);
  db.exec('PRAGMA journal_mode = DELETE; PRAGMA user_version = 999');
  db.close();
  const before = readFileSync(file);

  await using gateway = await runGateway({ dataDir, flags });
  assert.match(gateway.log(), /schema version 999, newer than this program/);
  assert.equal((await request('GET', `${gateway.urls.admin}/same/`)).status, 200);
  assert.equal((await request('GET', `${gateway.urls.admin}/newer/`)).status, 404);
  const json = { bucket: 'newer' };
  const again = await request('PUT', `${gateway.urls.admin}/newer/`, { json });
  assert.equal(again.status, 503, again.text);
  assert.match(again.text, /newer than this program/);
  assert(before.equals(readFileSync(file)), 'the file is as it was');
});
