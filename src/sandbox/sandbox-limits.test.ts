import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { silentLog } from '../observability/log.ts';
import { isGatewayError } from '../util/errors.ts';
import type { SyncFunction } from './sandbox.ts';
import { refuseRights } from './child/program.ts';
import { startSandbox } from './start-sandbox.ts';

const HOSTILE = `function(doc) {
  if (doc.how === 'loop') for (;;);
  if (doc.how === 'expression') /^(a+)+$/.test('a'.repeat(50) + 'b');
  if (doc.how === 'objects') { var a = []; for (;;) a.push({ a: [] }) }
  if (doc.how === 'strings') { var s = []; for (;;) s.push(('x' + s.length).repeat(1e5).split('')) }
  if (doc.how === 'typed') { var t = []; for (;;) t.push(new Uint8Array(1e7).fill(1)) }
  if (doc.how === 'array') new Array(1e8).fill({}).map(Object.keys).sort();
  if (doc.how === 'toString') throw { toString: 1, get forbidden() { for (;;); } };
  if (doc.how === 'promise') { (function again() { return Promise.resolve().then(again) })(); }
  if (doc.how === 'split') doc.text.split('').map(String).reverse().join('').split('x');
  if (doc.how === 'slow') { var end = Date.now() + 200; while (Date.now() < end); }
  channel('ok');
}`;

async function open(options: { heapMb?: number; timeoutMs?: number; queueCalls?: number } = {}) {
  const { timeoutMs = 300, ...limits } = options;
  const sandbox = await startSandbox({ log: silentLog, limits: { heapMb: 128, ...limits } });
  const hostile = await sandbox.syncFunction(HOSTILE, { timeoutMs, log: silentLog });
  return { sandbox, hostile, [Symbol.asyncDispose]: () => sandbox[Symbol.asyncDispose]() };
}

/** `ok`, or the tag of the error. */
async function call(compiled: SyncFunction, how: string, text = ''): Promise<string> {
  try {
    const doc = JSON.stringify({ how, text });
    const { channels } = await compiled.run({ doc, oldDoc: null, meta: '{}', writer: null });
    return channels.join();
  } catch (cause) {
    if (isGatewayError(cause)) return cause.tag;
    throw cause;
  }
}

for (const how of [
  'loop',
  'expression',
  'objects',
  'strings',
  'typed',
  'array',
  'toString',
  'promise',
])
  test(`a call that goes wild (${how}) fails alone, and the others go on`, async () => {
    await using opened = await open();
    const { hostile } = opened;
    assert.equal(await call(hostile, 'fine'), 'ok');
    const calls = ['fine', 'fine', how, 'fine', 'fine'].map((each) => call(hostile, each));
    const answers = await Promise.all(calls);
    assert.deepEqual(answers, ['ok', 'ok', 'functionFailed', 'ok', 'ok']);
    assert.equal(await call(hostile, 'fine'), 'ok');
  });

test('many wild calls of one batch fail, and none of the others', async () => {
  await using opened = await open({ timeoutMs: 100 });
  const hows = Array.from({ length: 20 }, (_, i) => (i % 4 === 3 ? 'loop' : 'fine'));
  const answers = await Promise.all(hows.map((how) => call(opened.hostile, how)));
  assert.deepEqual(
    answers,
    hows.map((how) => (how === 'fine' ? 'ok' : 'functionFailed')),
  );
});

test('text of 20 MB that is split to pieces costs its own call at most', async () => {
  await using opened = await open({ timeoutMs: 500 });
  const { hostile } = opened;
  const before = process.memoryUsage().rss;
  const large = call(hostile, 'split', 'xy'.repeat(10 << 20));
  const others = await Promise.all(Array.from({ length: 20 }, () => call(hostile, 'fine')));
  assert.deepEqual(new Set(others), new Set(['ok']));
  assert.equal(await large, 'functionFailed');
  assert.equal(await call(hostile, 'fine'), 'ok');
  const grownMb = (process.memoryUsage().rss - before) / 1e6;
  assert(grownMb < 400, `this process grew by ${grownMb} MB`);
});

test('while a call is slow, what comes after it is answered by the spare', async () => {
  await using opened = await open({ timeoutMs: 1000 });
  const { hostile } = opened;
  const ended: string[] = [];
  const slow = call(hostile, 'loop').then((answer) => ended.push(answer));
  await turn().then(() => turn()); // The slow call goes alone.
  const next = call(hostile, 'fine').then((answer) => ended.push(answer));
  await Promise.all([slow, next]);
  assert.deepEqual(ended, ['ok', 'functionFailed']);
});

test('a stuck call does not keep its batch, nor many of them the other functions', async () => {
  await using opened = await open({ timeoutMs: 2000 });
  const { hostile, sandbox } = opened;
  const calm = await sandbox.syncFunction("function() { channel('ok') }", {
    timeoutMs: 2000,
    log: silentLog,
  });
  const begunAt = performance.now();
  const together = ['loop', 'fine', 'fine'].map((how) => call(hostile, how));
  assert.deepEqual(await Promise.all(together.slice(1)), ['ok', 'ok']);
  const loops = Array.from({ length: 4 }, () => call(hostile, 'loop'));
  for (let n = 0; n < 20; n++) assert.equal(await call(calm, ''), 'ok');
  assert(performance.now() - begunAt < 1500, 'before the first loop is given up');
  await opened.sandbox[Symbol.asyncDispose]();
  const failed = await Promise.all([...together.slice(0, 1), ...loops]);
  assert.deepEqual(new Set(failed), new Set(['unavailable']));
});

test('calls of a batch that take their time are not held against each other', async () => {
  await using opened = await open({ timeoutMs: 400 });
  const answers = await Promise.all(Array.from({ length: 5 }, () => call(opened.hostile, 'slow')));
  assert.deepEqual(answers, ['ok', 'ok', 'ok', 'ok', 'ok']);
});

test('a source that loops while it is evaluated is refused', async () => {
  await using opened = await open({ timeoutMs: 300 });
  await assert.rejects(
    opened.sandbox.syncFunction('(function() { for (;;); })()', { timeoutMs: 300, log: silentLog }),
    (cause) => isGatewayError(cause, 'badRequest') && /longer than 300 ms/.test(cause.message),
  );
  assert.equal(await call(opened.hostile, 'fine'), 'ok');
});

test('more calls than may wait are refused at once, and the others are answered', async () => {
  await using opened = await open({ queueCalls: 10 });
  const answers = await Promise.all(Array.from({ length: 15 }, () => call(opened.hostile, 'fine')));
  assert.equal(answers.filter((answer) => answer === 'unavailable').length, 5);
  assert.equal(answers.filter((answer) => answer === 'ok').length, 10);
});

test('a document past the largest call is refused without a call', async () => {
  await using sandbox = await startSandbox({ log: silentLog, limits: { callChars: 1000 } });
  const compiled = await sandbox.syncFunction(HOSTILE, { timeoutMs: 0, log: silentLog });
  assert.equal(await call(compiled, 'fine', 'x'.repeat(1000)), 'functionFailed');
  assert.equal(await call(compiled, 'fine'), 'ok');
});

test('children that are killed from outside are replaced, and no call fails', async () => {
  await using opened = await open();
  for (let round = 0; round < 3; round++) {
    const calls = Array.from({ length: 100 }, () => call(opened.hostile, 'fine'));
    for (const pid of childrenOf(process.pid)) process.kill(pid, 'SIGKILL');
    assert.deepEqual(new Set(await Promise.all(calls)), new Set(['ok']));
  }
});

test('closing ends the children and fails what waits', async () => {
  const opened = await open({ timeoutMs: 60_000 });
  const waiting = ['loop', 'fine', 'fine'].map((how) => call(opened.hostile, how));
  await turn().then(() => turn());
  await opened.sandbox[Symbol.asyncDispose]();
  const later = await call(opened.hostile, 'fine');
  assert.deepEqual(new Set([...(await Promise.all(waiting)), later]), new Set(['unavailable']));
  assert.deepEqual(childrenOf(process.pid), []);
});

test('a sandbox that is closed while its spare still starts leaves nothing', async () => {
  for (let round = 0; round < 3; round++) {
    const sandbox = await startSandbox({ log: silentLog });
    await sandbox[Symbol.asyncDispose]();
    assert.deepEqual(childrenOf(process.pid), []);
  }
});

test('when the gateway is killed, a looping child ends too', async () => {
  const program = `
    import { startSandbox } from ${JSON.stringify(import.meta.resolve('./start-sandbox.ts'))};
    import { silentLog as log } from ${JSON.stringify(import.meta.resolve('../observability/log.ts'))};
    const sandbox = await startSandbox({ log });
    const loop = await sandbox.syncFunction('function() { for (;;); }', { timeoutMs: 60000, log });
    loop.run({ doc: '{}', oldDoc: null, meta: '{}', writer: null });
    setTimeout(() => console.log('loops'), 50);`;
  const gateway = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(gateway.stdout, 'data');
  assert(gateway.pid !== undefined);
  const children = childrenOf(gateway.pid);
  assert(children.length >= 2);
  gateway.kill('SIGKILL');
  await once(gateway, 'exit');
  const end = Date.now() + 5000;
  while (children.some(isAlive) && Date.now() < end) await sleep(5);
  assert.deepEqual(children.filter(isAlive), []);
});

test('a child has no environment, and limits of its own', async () => {
  await using opened = await open({ heapMb: 100 });
  assert.equal(await call(opened.hostile, 'fine'), 'ok');
  const children = childrenOf(process.pid);
  assert(children.length >= 2);
  for (const pid of children) {
    assert.equal(readFileSync(`/proc/${pid}/environ`, 'latin1').replaceAll('\0', ''), '');
    const limits = readFileSync(`/proc/${pid}/limits`, 'latin1');
    assert.match(limits, /Max data size +\d+ /);
    assert.match(limits, /Max core file size +0 /);
  }
});

test('functions that are replaced, again and again, leave nothing in the memory of a child', async () => {
  await using opened = await open({});
  for (let n = 0; n < 600; n++) {
    const source = `function (doc) { channel('${n}'); }`;
    using replaced = await opened.sandbox.syncFunction(source, { timeoutMs: 0, log: silentLog });
    await replaced.run({ doc: '{}', oldDoc: null, meta: '{}', writer: null });
  }
  // Measured: 85 MB; 250 MB where each one's context stays.
  for (const pid of childrenOf(process.pid)) {
    const rss = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    assert(Number(rss) < 150_000, `a child has ${rss} KB`);
  }
});

test('a sandbox whose children cannot start says so, and leaves nothing', async () => {
  const limits = { heapMb: 10, dataBaseMb: 0 };
  await assert.rejects(
    startSandbox({ log: silentLog, limits }),
    (cause) => isGatewayError(cause, 'unavailable') && /does not start/.test(cause.message),
  );
  assert.deepEqual(childrenOf(process.pid), []);
});

test('the program of a child does not start in a process that has rights', () => {
  assert.throws(refuseRights, /has the right fs\.read/);
});

/** Node children of a process; shells that guard them are not counted. */
function childrenOf(parent: number): readonly number[] {
  const list = execFileSync('ps', ['-e', '-o', 'pid=,ppid=,args='], { encoding: 'latin1' });
  return list
    .split('\n')
    .map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line))
    .filter((found) => Number(found?.[2]) === parent && found?.[3]?.includes('sandbox'))
    .map((found) => Number(found?.[1]));
}

function isAlive(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
}
