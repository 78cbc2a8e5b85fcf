import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { FeedLines } from '../helpers/feed-lines.ts';
import { request } from '../helpers/http.ts';
import { runGateway, type GatewayProcess } from '../helpers/run-gateway.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { sendRaw, type RawOptions } from './raw-connection.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let gateway: GatewayProcess;
let db: string;

before(async () => {
  folder = await temporaryFolder();
  const config = `${folder.path}/config.json`;
  await writeFile(config, JSON.stringify({ api: { read_header_timeout: '1s' } }));
  gateway = await runGateway({ dataDir: `${folder.path}/data`, flags: ['--config', config] });
  db = `${gateway.urls.public}/db`;
  const json = { guest: { disabled: false, admin_channels: ['*'] } };
  assert.equal((await request('PUT', `${gateway.urls.admin}/db/`, { json })).status, 201);
});

after(async () => {
  await gateway.stop();
  await folder[Symbol.asyncDispose]();
});

const HOST = 'Host: gateway\r\n';
const HEAD = `PUT /db/x HTTP/1.1\r\n${HOST}Content-Type: application/json\r\n`;
const ATTACHMENT = `PUT /db/x/file HTTP/1.1\r\n${HOST}Content-Type: image/png\r\n`;

interface BrokenRequest {
  readonly about: string;
  readonly bytes: string | Uint8Array;
  readonly status: number;
  readonly options?: RawOptions;
}

const BROKEN: readonly BrokenRequest[] = [
  { about: 'no HTTP', bytes: 'hello\r\n\r\n', status: 400 },
  { about: 'TLS', bytes: Buffer.from([0x16, 3, 1, 0, 0xa5, 1, 0, 0]), status: 400 },
  { about: 'HTTP/2', bytes: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', status: 400 },
  {
    about: 'a path in Latin-1',
    bytes: Buffer.from('GET /db/\xff HTTP/1.1\r\n\r\n', 'latin1'),
    status: 400,
  },
  {
    about: 'two lengths',
    bytes: `${HEAD}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x`,
    status: 400,
  },
  {
    about: 'a length and chunks',
    bytes: `${HEAD}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    status: 400,
  },
  { about: 'a length below 0', bytes: `${HEAD}Content-Length: -2\r\n\r\n{}`, status: 400 },
  {
    about: 'a chunk that is none',
    bytes: `${HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}`,
    status: 400,
  },
  { about: 'a huge length', bytes: `${HEAD}Content-Length: 99999999999\r\n\r\n{}`, status: 413 },
  { about: 'a header of 70 KB', bytes: `${HEAD}X: ${'x'.repeat(70_000)}\r\n\r\n`, status: 431 },
  {
    about: 'a URL of 70 KB',
    bytes: `GET /db/${'x'.repeat(70_000)} HTTP/1.1\r\n${HOST}\r\n`,
    status: 431,
  },
  { about: '3,000 headers', bytes: `${HEAD}${'X-A: b\r\n'.repeat(9000)}\r\n`, status: 431 },
  {
    about: 'half a document',
    bytes: `${HEAD}Content-Length: 20\r\n\r\n{"a":1`,
    status: 400,
    options: { end: true },
  },
  {
    about: 'a whole document, shorter than announced',
    bytes: `${HEAD}Content-Length: 20\r\n\r\n{"a":1}`,
    status: 400,
    options: { end: true },
  },
  {
    about: 'a document without its last chunk',
    bytes: `${HEAD}Transfer-Encoding: chunked\r\n\r\n7\r\n{"a":1}\r\n`,
    status: 400,
    options: { end: true },
  },
  {
    about: 'half an attachment',
    bytes: `${ATTACHMENT}Content-Length: 20\r\n\r\n1234567`,
    status: 400,
    options: { end: true },
  },
];

test('a request that is none, or half of one, gets its status with a reason', async () => {
  for (const { about, bytes, status, options } of BROKEN) {
    const answer = await sendRaw(gateway.urls.public, bytes, options);
    assert.equal(answer.status, status, `${about}: ${answer.text}`);
    assert.equal(typeof answer.json?.['error'], 'string', `${about}: ${answer.text}`);
    assert.equal(typeof answer.json?.['reason'], 'string', `${about}: ${answer.text}`);
  }
  await assertNothingWritten();
});

test('who vanishes in the middle of a request writes nothing and holds nothing up', async () => {
  const halves = [
    `${HEAD}Content-Length: 20\r\n\r\n{"a":1`,
    `${ATTACHMENT}Content-Length: 9\r\n\r\n1`,
  ];
  const all = Array.from({ length: 40 }, (_, n) =>
    sendRaw(gateway.urls.public, halves[n % 2] ?? '', { vanish: true }),
  );
  for (const { status } of await Promise.all(all)) assert.equal(status, undefined);
  await assertNothingWritten();
});

test('slow senders are told 408 and cut off, while others are served', async () => {
  const dripping = Array.from({ length: 10 }, (_, n) => [1000 * (n + 1), '{'] as const);
  const slow = [
    sendRaw(gateway.urls.public, 'GET /db/ HTTP/1.1\r\nHost: ga'),
    sendRaw(gateway.urls.public, `${HEAD}Content-Length: 20\r\n\r\n`),
    sendRaw(gateway.urls.public, `${HEAD}Content-Length: 2000\r\n\r\n`, { later: dripping }),
    sendRaw(gateway.urls.public, `${ATTACHMENT}Content-Length: 2000\r\n\r\n`, { later: dripping }),
  ];
  let isOver = false;
  const all = Promise.all(slow).finally(() => (isOver = true));
  let longestMs = 0;
  while (!isOver) {
    const begun = performance.now();
    assert.equal((await request('GET', `${db}/_all_docs`)).status, 200);
    longestMs = Math.max(longestMs, performance.now() - begun);
  }
  for (const answer of await all) {
    assert.equal(answer.status, 408, answer.text);
    assert.equal(answer.json?.['error'], 'Request Timeout');
  }
  assert(longestMs < 1000, `others waited for ${longestMs} ms`);
  await assertNothingWritten();
});

test('a slow sender that comes to its end is served', async () => {
  const bytes = `${HEAD.replace('/x ', '/slow ')}Content-Length: 11\r\n\r\n{"a"`;
  const later = [
    [300, ':'],
    [600, '"bc"'],
    [900, ' }'],
  ] as const;
  const answer = await sendRaw(gateway.urls.public, bytes, { later });
  assert.equal(answer.status, 201, answer.text);
});

test('readers that stop reading, or vanish, hold up nobody', async () => {
  const text = 'x'.repeat(100_000);
  const docs = Array.from({ length: 100 }, (_, n) => ({ _id: `large-${n}`, text }));
  const written = await request('POST', `${db}/_bulk_docs`, { json: { docs } });
  assert.equal(written.status, 201);
  const feed = `${db}/_changes?include_docs=true&since=0`;
  const stuck = await Promise.all(Array.from({ length: 30 }, () => FeedLines.open(feed)));
  for (const each of stuck) assert.notEqual(await each.next(), undefined);
  await using live = await FeedLines.open(`${db}/_changes?since=0`);
  for (let n = 0; n < 20; n += 1) {
    const begun = performance.now();
    assert.equal((await request('PUT', `${db}/live-${n}`, { json: {} })).status, 201);
    await live.rowOf(`live-${n}`);
    assert(performance.now() - begun < 1000, 'a write and its row come within a second');
    await stuck[n]?.[Symbol.asyncDispose]();
  }
  for (const each of stuck) await each[Symbol.asyncDispose]();
});

async function assertNothingWritten(): Promise<void> {
  const { json } = await request('GET', `${db}/_all_docs`);
  assert.equal((json as { total_rows: number }).total_rows, 0);
}
