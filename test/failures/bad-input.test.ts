import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { request } from '../helpers/http.ts';
import { runGateway, type GatewayProcess } from '../helpers/run-gateway.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { BAD_REQUESTS, type BadRequest } from './bad-requests.ts';
import { MemoryWatch } from './process-memory.ts';

const MB = 1e6;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let gateway: GatewayProcess;
let db: string;

before(async () => {
  folder = await temporaryFolder();
  gateway = await runGateway({ dataDir: `${folder.path}/data` });
  db = `${gateway.urls.admin}/bad`;
  const created = await request('PUT', `${db}/`, {
    json: { sync: 'function (doc) { channel(doc.channels); }' },
  });
  assert.equal(created.status, 201, created.text);
  await request('PUT', `${db}/_user/ann`, { json: { password: 'letmein' } });
  await request('PUT', `${db}/there`, { json: { text: 'x' } });
});

after(async () => {
  await gateway.stop();
  await folder[Symbol.asyncDispose]();
});

/** All that there is, as far as a write could change it. */
async function everything(): Promise<object> {
  const paths = ['_changes?include_docs=true', '_all_docs', '_user/', '_role/', '_user/ann'];
  const answers = await Promise.all(paths.map((path) => request('GET', `${db}/${path}`)));
  return answers.map(({ status, json }) => ({ status, json }));
}

async function assertRefused({ about, method, path, sent, status }: BadRequest): Promise<void> {
  const answer = await request(method, `${db}/${path}`, sent);
  assert.equal(answer.status, status, `${about}: ${answer.text}`);
  const { error, reason } = answer.json as { error: unknown; reason: unknown };
  assert(typeof error === 'string' && error !== '', `${about}: ${answer.text}`);
  assert(typeof reason === 'string' && reason.length > 2, `${about}: ${answer.text}`);
  assert(!reason.includes('    at '), `${about}: no stack is told`);
}

for (const [kind, requests] of Object.entries(BAD_REQUESTS))
  test(`${kind}: each gets its status with a reason, and nothing is written`, async () => {
    const there = await everything();
    for (const each of requests) await assertRefused(each);
    assert.deepEqual(await everything(), there);
  });

test('a refused document of a bulk request harms no other', async () => {
  const docs = [
    { _id: 'bulk-0' },
    { _id: '_x' },
    { _id: '' },
    { _id: 5 },
    { _id: 'bulk-1', _rev: 'z' },
    { _id: 'bulk-2', channels: ['a,b'] },
    { _id: 'x'.repeat(251) },
    { _id: 'bulk-3' },
  ];
  const answer = await request('POST', `${db}/_bulk_docs`, { json: { docs } });
  assert.equal(answer.status, 201);
  const rows = answer.json as { id: string; status?: number; error?: string; reason?: string }[];
  assert.deepEqual(
    rows.map(({ status }) => status),
    [undefined, 400, 400, 400, 400, 500, 400, undefined],
  );
  for (const { status, error, reason } of rows)
    assert.equal(status === undefined, error === undefined && reason === undefined);
  const { json } = await request('POST', `${db}/_all_docs`, {
    json: { keys: ['bulk-0', 'bulk-1', 'bulk-2', 'bulk-3'] },
  });
  const found = (json as unknown as { rows: { error?: string }[] }).rows;
  assert.deepEqual(
    found.map(({ error }) => error),
    [undefined, 'not_found', 'not_found', undefined],
  );
});

const ODD_NAMES = [
  'a b',
  'a+b',
  'a/b',
  'a?b',
  'a#b',
  'a%b',
  'a&b',
  'a"b',
  "a'b",
  'a\\b',
  'a\tb',
  'a\nb',
  '..',
  '.',
  'a:b',
  '{}',
  '[1]',
  'ü',
  'u\u0308',
  '𝄞',
  '\u202eabc',
  '\ufeff',
  '\u0001',
  '-',
  '0',
  '1e3',
  '__proto__x',
  'constructor',
  'toString',
  'hasOwnProperty',
  'null',
  'SELECT',
  "';DROP TABLE documents;--",
];

test('odd characters in ids, channels and names come back as they were', async () => {
  for (const id of ODD_NAMES) {
    const channels = id.includes(',') ? [] : [id];
    const url = `${db}/${encodeURIComponent(`o-${id}`)}`;
    const put = await request('PUT', url, { json: { id, channels, [id]: id } });
    assert.equal(put.status, 201, `${JSON.stringify(id)}: ${put.text}`);
    const got = (await request('GET', url)).json as Record<string, unknown>;
    assert.deepEqual([got['_id'], got['id'], got[id]], [`o-${id}`, id, id]);
    const query = `filter=sync_gateway/bychannel&channels=${encodeURIComponent(id)}`;
    const feed = await request('GET', `${db}/_changes?${query}`);
    const rows = (feed.json as unknown as { results: { id: string }[] }).results;
    assert.deepEqual(
      rows.map((row) => row.id),
      [`o-${id}`],
      `the channel ${JSON.stringify(id)}`,
    );
  }
});

test('many requests that unpack to a hundred times their size take bounded memory', async () => {
  await using memory = new MemoryWatch(gateway.pid);
  const bombs = [
    ['_bulk_docs', `{"docs":[${' '.repeat(95 * MB)}]`],
    ['_bulk_docs', `{"docs":[${'{"_id":"_x"},'.repeat(3e5)}{}]}`],
    ['_revs_diff', `{"a":[${'"1-a",'.repeat(2e5)}"1-a"]}`],
  ] as const;
  const sent = bombs.flatMap(([path, text]) => {
    const body = gzipSync(text);
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
    return Array.from({ length: 10 }, () => request('POST', `${db}/${path}`, { body, headers }));
  });
  let isOver = false;
  const all = Promise.all(sent).finally(() => (isOver = true));
  let served = 0;
  while (!isOver) {
    const answer = await request('GET', `${db}/there`);
    assert.equal(answer.status, 200, answer.text);
    served += 1;
  }
  for (const answer of await all)
    assert([200, 201, 400, 503].includes(answer.status), `${answer.status} ${answer.text}`);
  assert(served > 5, 'others are served meanwhile');
  assert(memory.most < 3000 * MB, `${memory.most / MB} MB of memory`);
  assert.equal((await request('PUT', `${db}/afterwards`, { json: {} })).status, 201);
});
