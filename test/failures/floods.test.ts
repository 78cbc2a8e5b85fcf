import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from '../helpers/http.ts';
import { runGateway, type GatewayProcess } from '../helpers/run-gateway.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';
import { memoryOf, MemoryWatch } from './process-memory.ts';

// Clients that send or ask for more than anybody should: each is told so, or gets what it asked for
// at a bounded cost, and others are served.

const MB = 1e6;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let gateway: GatewayProcess;
let db: string;

before(async () => {
  folder = await temporaryFolder();
  gateway = await runGateway({ dataDir: `${folder.path}/data` });
  db = `${gateway.urls.admin}/floods`;
  const json = { sync: 'function (doc) { channel(doc.channels); }' };
  assert.equal((await request('PUT', `${db}/`, { json })).status, 201);
  await request('PUT', `${db}/there`, { json: { text: 'x' } });
});

after(async () => {
  await gateway.stop();
  await folder[Symbol.asyncDispose]();
});

/** A connection that sends what it is told to, and is closed at the end of its scope. */
async function opened(text: string): Promise<Disposable & { readonly socket: Socket }> {
  const { hostname, port } = new URL(gateway.urls.admin);
  const socket = connect(Number(port), hostname);
  // A reset is an end like another here.
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(text);
  return { socket, [Symbol.dispose]: () => void socket.destroy() };
}

/** Reads a document until `all` is settled; the longest that one took, ms. */
async function longestReadDuring(all: Promise<unknown>): Promise<number> {
  let isOver = false;
  const over = all.finally(() => (isOver = true));
  let longestMs = 0;
  do {
    const begun = performance.now();
    assert.equal((await request('GET', `${db}/there`)).status, 200);
    longestMs = Math.max(longestMs, performance.now() - begun);
    await sleep(5);
  } while (!isOver);
  await over;
  return longestMs;
}

test('headers without end are cut off with 431, however many send them', async () => {
  await using memory = new MemoryWatch(gateway.pid);
  const before = memoryOf(gateway.pid);
  const flood = async (): Promise<string> => {
    using connection = await opened('GET /floods/there HTTP/1.1\r\nHost: gateway\r\n');
    const { socket } = connection;
    let answer = '';
    socket.on('data', (bytes: Buffer) => (answer += bytes.toString('latin1')));
    const closed = new Promise((resolve) => void socket.once('close', resolve));
    const line = `X-Header: ${'x'.repeat(1000)}\r\n`;
    while (socket.writable && answer === '') {
      socket.write(line.repeat(10));
      await sleep(5);
    }
    await Promise.race([closed, sleep(2000)]);
    return answer;
  };
  const all = Promise.all(Array.from({ length: 100 }, flood));
  assert((await longestReadDuring(all)) < 3000, 'others are served meanwhile');
  const answers = await all;
  // Whoever writes on while it is cut off may lose the answer to the reset of its connection.
  for (const answer of answers) assert.match(answer, /^(HTTP\/1\.1 431 |$)/);
  assert(answers.some((answer) => answer !== ''));
  assert(memory.most - before < 100 * MB, `${(memory.most - before) / MB} MB more`);
});

/** What is odd beyond Latin-1: joiners, marks, private use, and letters that change with case. */
const ODD = [0x301, 0x200b, 0x200d, 0x2028, 0x2029, 0x202e, 0xfeff, 0xfffd, 0xffff, 0xe000];
const FAR = [0x17f, 0x130, 0xfb01, 0xac00, 0x1f600, 0x10ffff, 0xe0001];
/** All that may stand in an id; NUL may not. */
const CHARACTERS = [...Array.from({ length: 255 }, (_, at) => at + 1), ...ODD, ...FAR].map((code) =>
  String.fromCodePoint(code),
);

test('every character in ids and channels is kept, and none is taken for another', async () => {
  const docs = CHARACTERS.map((character) => ({
    _id: `c${character}`,
    // A comma parts channels wherever they are listed: it is refused in their names.
    channels: character === ',' ? [] : [`c${character}`],
  }));
  const written = await request('POST', `${db}/_bulk_docs`, { json: { docs } });
  const rows = written.json as { id: string; rev?: string }[];
  assert.deepEqual(
    rows.map(({ id, rev }) => [id, rev?.slice(0, 2)]),
    docs.map(({ _id }) => [_id, '1-']),
  );
  for (const { _id: id, channels } of docs) {
    const got = await request('GET', `${db}/${encodeURIComponent(id)}`);
    assert.equal((got.json as { _id?: string })._id, id, JSON.stringify(id));
    if (channels.length === 0) continue;
    const query = `filter=sync_gateway/bychannel&channels=${encodeURIComponent(channels[0] ?? '')}`;
    const feed = await request('GET', `${db}/_changes?${query}`);
    const { results } = feed.json as unknown as { results: { id: string }[] };
    assert.deepEqual(
      results.map((row) => row.id),
      [id],
    );
  }
});

test('a document may be in thousands of channels, and move; too many are refused', async () => {
  const names = (letter: string, length: number): readonly string[] =>
    Array.from({ length }, (_, n) => `${letter}${n}`);
  await using memory = new MemoryWatch(gateway.pid);
  const before = memoryOf(gateway.pid);
  const rowsOf = async (channel: string): Promise<readonly object[]> => {
    const query = `filter=sync_gateway/bychannel&channels=${channel}`;
    const { json } = await request('GET', `${db}/_changes?${query}`);
    return (json as unknown as { results: object[] }).results;
  };
  let query = '';
  for (const letter of ['k', 'l', 'm']) {
    const json = { channels: names(letter, 5000) };
    const writing = request('PUT', `${db}/many${query}`, { json });
    assert((await longestReadDuring(writing)) < 1000, 'others are served meanwhile');
    const answer = await writing;
    assert.equal(answer.status, 201, answer.text);
    query = `?rev=${(answer.json as { rev: string }).rev}`;
  }
  const [gone] = await rowsOf('k4999');
  assert.deepEqual((gone as { removed?: unknown }).removed, ['k4999']);
  const [there] = await rowsOf('m4999');
  assert.deepEqual((there as { removed?: unknown }).removed, undefined);
  const json = { channels: names('z'.repeat(30), 60_000) };
  const refused = await request('PUT', `${db}/many${query}`, { json });
  assert([400, 413, 500].includes(refused.status), `${refused.status} ${refused.text}`);
  assert.match((refused.json as { reason: string }).reason, /names|longer than/);
  assert.deepEqual(await rowsOf(`${'z'.repeat(30)}0`), []);
  assert(memory.most - before < 500 * MB, `${(memory.most - before) / MB} MB more`);
});

test('two thousand feeds of one client: each gets its row, at a bounded cost', async () => {
  const FEEDS = 2000;
  const { update_seq: since } = (await request('GET', `${db}/`)).json as { update_seq: number };
  const before = memoryOf(gateway.pid);
  await using memory = new MemoryWatch(gateway.pid);
  using feeds = new DisposableStack();
  const path = `/floods/_changes?feed=continuous&since=${since}&heartbeat=60000`;
  let told = 0;
  const open = async (): Promise<void> => {
    const { socket } = feeds.use(await opened(`GET ${path} HTTP/1.1\r\nHost: gateway\r\n\r\n`));
    let text = '';
    socket.on('data', (bytes: Buffer) => {
      if (text.includes('"to-all"')) return;
      text += bytes.toString();
      if (text.includes('"to-all"')) told += 1;
    });
  };
  for (let at = 0; at < FEEDS; at += 100) await Promise.all(Array.from({ length: 100 }, open));
  const written = request('PUT', `${db}/to-all`, { json: {} });
  const all = until('all feeds are told', () => (told === FEEDS ? true : undefined));
  assert((await longestReadDuring(all)) < 3000, 'others are served meanwhile');
  assert.equal((await written).status, 201);
  const each = (memory.most - before) / FEEDS;
  assert(each < 60_000, `${each} bytes a feed`);
});

test('who reads a byte a second costs little, and holds up nobody', async () => {
  const text = 'x'.repeat(200_000);
  const docs = Array.from({ length: 80 }, (_, n) => ({ _id: `large-${n}`, text }));
  assert.equal((await request('POST', `${db}/_bulk_docs`, { json: { docs } })).status, 201);
  const body = Buffer.alloc(16 * MB, 1);
  const headers = { 'content-type': 'image/png' };
  const put = await request('PUT', `${db}/with/file`, { body, headers });
  assert.equal(put.status, 201, put.text);
  await using memory = new MemoryWatch(gateway.pid);
  const before = memoryOf(gateway.pid);
  using readers = new DisposableStack();
  const paths = [
    '_changes?include_docs=true',
    '_changes?include_docs=true&feed=continuous',
    '_all_docs?include_docs=true',
    'with/file',
  ];
  const read = async (_: unknown, n: number): Promise<void> => {
    const path = `/floods/${paths[n % paths.length]}`;
    const { socket } = readers.use(await opened(`GET ${path} HTTP/1.1\r\nHost: gateway\r\n\r\n`));
    for (let byte = 0; byte < 4; byte += 1) {
      socket.read(1);
      await sleep(1000);
    }
  };
  // Together they ask for half a gigabyte.
  const all = Promise.all(Array.from({ length: 32 }, read));
  const longestMs = await longestReadDuring(all);
  assert(longestMs < 5000, `others waited for ${longestMs} ms`);
  assert(memory.most - before < 400 * MB, `${(memory.most - before) / MB} MB more`);
});
