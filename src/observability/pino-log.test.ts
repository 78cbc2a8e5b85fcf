import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { GatewayError } from '../util/errors.ts';
import type { LogOptions, ProcessLog } from './pino-log.ts';
import { createLog } from './pino-log.ts';
import { userData } from './user-data.ts';

const clock = {
  now: () => Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  sleep: () => new Promise<void>(() => undefined),
};

async function written(
  options: Partial<LogOptions>,
  write: (log: ProcessLog) => void,
): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'log-'));
  const file = path.join(folder, 'x.log');
  try {
    const log = createLog({
      level: 'info',
      keys: ['*'],
      redaction: 'partial',
      format: 'json',
      color: false,
      destination: { file },
      clock,
      ...options,
    });
    write(log);
    await log[Symbol.asyncDispose]();
    return await readFile(file, 'utf8');
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('a line is one JSON object with time, level, fields and message', async () => {
  const text = await written({}, (log) => {
    log.with({ key: 'CRUD', db: 'app' }).with({ x: 1 }).info?.('document written', { seq: 7 });
  });
  assert.deepEqual(JSON.parse(text), {
    level: 'info',
    time: '2026-01-02T03:04:05.678Z',
    key: 'CRUD',
    db: 'app',
    x: 1,
    seq: 7,
    message: 'document written',
  });
});

test('a level that is off is undefined, and comes on while the process runs', async () => {
  const text = await written({ level: 'error' }, (log) => {
    const child = log.with({ key: 'Sync' });
    assert.equal(child.info, undefined);
    child.warn('not written');
    log.settings.level = 'debug';
    child.debug?.('written');
    assert.equal(child.trace, undefined);
    log.settings.level = 'none';
    child.error('not written either');
  });
  assert.match(text, /"message":"written"/);
  assert.equal(text.trim().split('\n').length, 1);
});

test('keys choose among lines of info and finer; warnings and lines without key always pass', async () => {
  const text = await written({ level: 'debug', keys: ['HTTP'] }, (log) => {
    log.with({ key: 'HTTP' }).info?.('a');
    log.with({ key: 'Sync' }).info?.('b');
    log.with({ key: 'Sync' }).warn('c');
    log.info?.('d');
    log.settings.keys = new Set(['Sync+']);
    log.with({ key: 'Sync' }).debug?.('e');
    log.with({ key: 'HTTP' }).info?.('f');
  });
  const messages = text
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { message: string }).message);
  assert.deepEqual(messages, ['a', 'c', 'd', 'e']);
});

test('user data is marked at `partial`, open at `none`, a stable hash at `full`', async () => {
  const write = (log: ProcessLog) => {
    log.info?.('x', {
      doc: userData('ann'),
      list: [userData('ann')],
      deep: { it: userData('ann') },
    });
  };
  const partial = JSON.parse(await written({}, write)) as Record<string, unknown>;
  assert.deepEqual(
    { doc: partial['doc'], list: partial['list'], deep: partial['deep'] },
    { doc: '<ud>ann</ud>', list: ['<ud>ann</ud>'], deep: { it: '<ud>ann</ud>' } },
  );
  const none = JSON.parse(await written({ redaction: 'none' }, write)) as Record<string, unknown>;
  assert.equal(none['doc'], 'ann');
  const full = JSON.parse(await written({ redaction: 'full' }, write)) as Record<string, unknown>;
  assert.match(String(full['doc']), /^<ud>[0-9a-f]{32}<\/ud>$/);
  assert.deepEqual(full['list'], [full['doc']]);
});

test('fields that hold secrets are hidden, wherever they stand', async () => {
  const text = await written({}, (log) => {
    log.info?.('x', { password: 'letmein', headers: { authorization: 'Basic eA==', accept: '*' } });
  });
  assert.doesNotMatch(text, /letmein|eA==/);
  assert.match(text, /"accept":"\*"/);
});

test('errors are told with tag, cause and stack; endless and circular values are cut', async () => {
  const loop: Record<string, unknown> = { big: 2n ** 70n, long: 'x'.repeat(100_000) };
  loop['self'] = loop;
  const text = await written({}, (log) => {
    const cause = Object.assign(new Error('no space'), { code: 'ENOSPC' });
    log.error('failed', { error: new GatewayError('unavailable', 'disk full', { cause }), loop });
  });
  assert.ok(text.length < 100_000);
  const { error } = JSON.parse(text) as { error: Record<string, Record<string, unknown>> };
  assert.equal(error['tag'], 'unavailable');
  assert.equal(error['cause']?.['code'], 'ENOSPC');
  assert.match(JSON.stringify(error['stack']), /disk full/);
});

test('text lines are for people, and no value can begin a line of its own', async () => {
  const text = await written({ format: 'text' }, (log) => {
    const values = {
      a: 'plain',
      b: 'two words',
      c: 'x\n2026-01-01 ERROR forged',
      d: '\u2028',
      n: 1,
    };
    log.with({ key: 'HTTP' }).info?.('served', values);
  });
  assert.equal(
    text,
    '2026-01-02T03:04:05.678Z INFO  [HTTP] served a=plain b="two words" ' +
      'c="x\\n2026-01-01 ERROR forged" d="\\u2028" n=1\n',
  );
});

test('errors and warnings are counted, written or not', async () => {
  await written({ level: 'none' }, (log) => {
    log.with({ key: 'Auth' }).warn('one');
    log.error('two');
    log.error('three');
    assert.deepEqual(log.settings.lines, { error: 2, warn: 1, dropped: 0 });
  });
});

test('after the end nothing is written, and nothing fails', async () => {
  const text = await written({}, (log) => {
    log.info?.('before');
    void log[Symbol.asyncDispose]();
    log.error('after');
    assert.equal(log.info, undefined);
  });
  assert.match(text, /before/);
  assert.doesNotMatch(text, /after/);
});

test('a file that cannot be opened is told at once', () => {
  assert.throws(
    () =>
      createLog({
        level: 'info',
        keys: [],
        redaction: 'none',
        format: 'json',
        color: false,
        destination: { file: '/nonexistent/folder/x.log' },
        clock,
      }),
    /ENOENT/,
  );
});
