import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { request, type Answer } from '../helpers/http.ts';
import { runGateway, type GatewayProcess } from '../helpers/run-gateway.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { MemoryWatch } from './process-memory.ts';

/** What an administrator may write by mistake, and what a document can make of it. */
const HOSTILE = `function (doc) {
  if (doc.how === 'loop') for (;;);
  if (doc.how === 'pattern') /^(a+)+$/.test('a'.repeat(60) + 'b');
  if (doc.how === 'arrays') { var a = []; for (;;) a.push({ a: [] }); }
  if (doc.how === 'strings') { var s = 'x'; var kept = []; for (;;) kept.push((s += s.length).repeat(1e4).split('')); }
  if (doc.how === 'typed arrays') { var t = []; for (;;) t.push(new Uint8Array(1e7).fill(1)); }
  if (doc.how === 'split') doc.text.split('').map(String).reverse().join('').split('x');
  if (doc.how === 'depth') (function again(n) { return again(n + 1) + 1; })(0);
  if (doc.how === 'channels') for (;;) channel('c' + Math.random());
  if (doc.how === 'throws') throw { get forbidden() { for (;;); } };
  if (doc.how === 'logs') for (;;) console.log('x'.repeat(1e6));
  channel('ok');
}`;

const MB = 1 << 20;
/**
 * Others have their answer within a second, whatever one call does; more where the machine is busy.
 */
const WITHIN_MS_LEAST = 1000;
const WITHIN_MS_MOST = 3000;
/** How many usual writes that is. */
const WITHIN_WRITES = 100;
/** A gateway with three children of at most 512 MB of heap, and their replacements. */
const TREE_BYTES_MAX = 2500 * MB;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let gateway: GatewayProcess;
let wild: string;
let calm: string;
let withinMs: number;

before(async () => {
  folder = await temporaryFolder();
  gateway = await runGateway({ dataDir: `${folder.path}/data` });
  wild = `${gateway.urls.admin}/wild`;
  calm = `${gateway.urls.admin}/calm`;
  for (const [db, sync] of [
    [wild, HOSTILE],
    [calm, 'function (doc) { channel(doc.channels); }'],
  ]) {
    const created = await request('PUT', `${db}/`, { json: { sync } });
    assert.equal(created.status, 201, created.text);
  }
  const usual = await usualWriteMs();
  withinMs = Math.min(Math.max(usual * WITHIN_WRITES, WITHIN_MS_LEAST), WITHIN_MS_MOST);
});

after(async () => {
  await gateway.stop();
  await folder[Symbol.asyncDispose]();
});

let writes = 0;

async function write(db: string): Promise<number> {
  const begun = performance.now();
  writes += 1;
  const answer = await request('PUT', `${db}/other-${writes}`, { json: { how: 'fine' } });
  assert.equal(answer.status, 201, answer.text);
  return performance.now() - begun;
}

async function usualWriteMs(): Promise<number> {
  const all: number[] = [];
  for (let n = 0; n < 31; n += 1) all.push(await write(calm));
  return all.toSorted((one, other) => one - other)[15]!;
}

/** Writes again and again until `ended`; the longest that any write took, ms. */
async function writeMeanwhile(ended: Promise<unknown>, to: readonly string[]): Promise<number> {
  let isOver = false;
  void ended.finally(() => (isOver = true));
  let longest = 0;
  const work = async (db: string): Promise<void> => {
    while (!isOver) longest = Math.max(longest, await write(db));
  };
  await Promise.all(to.map(work));
  return longest;
}

function assertFailed(answer: Answer): void {
  assert.equal(answer.status, 500, answer.text);
  const { error, reason } = answer.json as { error: string; reason: string };
  assert.equal(error, 'Internal Server Error');
  assert.match(reason, /sync function/i);
}

for (const how of [
  'loop',
  'pattern',
  'arrays',
  'strings',
  'typed arrays',
  'depth',
  'channels',
  'throws',
  'logs',
])
  test(`a call that goes wild (${how}) fails with a reason, and others go on within a second`, async () => {
    await using memory = new MemoryWatch(gateway.pid);
    const hostile = request('PUT', `${wild}/hostile`, { json: { how } });
    const longest = await writeMeanwhile(hostile, [wild, calm, calm]);
    const answer = await hostile;
    assertFailed(answer);
    assert.equal((await request('GET', `${wild}/hostile`)).status, 404, 'nothing is written');
    assert(longest < withinMs, `another write waited for ${longest} ms`);
    assert(memory.most < TREE_BYTES_MAX, `${memory.most / MB} MB of memory`);
  });

test('a document of 20 MB that is split to pieces costs its own call at most', async () => {
  await using memory = new MemoryWatch(gateway.pid);
  const body = Buffer.from(JSON.stringify({ how: 'split', text: 'xy'.repeat(10e6) }));
  const headers = { 'content-type': 'application/json' };
  const hostile = request('PUT', `${wild}/large`, { body, headers });
  const longest = await writeMeanwhile(hostile, [wild, calm, calm]);
  const answer = await hostile;
  assertFailed(answer);
  assert(longest < withinMs, `another write waited for ${longest} ms`);
  assert(memory.most < TREE_BYTES_MAX, `${memory.most / MB} MB of memory`);
});

test('a function that loops for every client keeps no other database waiting', async () => {
  const loops = Array.from({ length: 6 }, (_, n) =>
    request('PUT', `${wild}/loop-${n}`, { json: { how: 'loop' } }),
  );
  const longest = await writeMeanwhile(Promise.all(loops), [calm, calm]);
  for (const loop of loops) assertFailed(await loop);
  assert(longest < withinMs, `another write waited for ${longest} ms`);
});
