import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { DrivenClock } from '../../util/driven-clock.ts';
import type { Clock } from '../../util/clock.ts';
import { systemClock } from '../../util/clock.ts';
import { isRotatedName, rotatedName } from './rotated-name.ts';
import type { Rotation } from './rotating-file.ts';
import { RotatingFile } from './rotating-file.ts';

const USUAL: Rotation = {
  bytesMax: 1_000_000,
  everyMs: 0,
  keepMs: 0,
  keptBytesMax: 0,
  localTime: false,
};

interface Scene extends AsyncDisposable {
  readonly folder: string;
  readonly path: string;
  readonly troubles: string[];
  open(rotation?: Partial<Rotation>, clock?: Clock): RotatingFile;
  /** All lines, those of old files first. */
  lines(): Promise<readonly string[]>;
  old(): Promise<readonly string[]>;
}

async function scene(): Promise<Scene> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tidegate-audit-'));
  const name = path.join(folder, 'audit.log');
  const troubles: string[] = [];
  const old = async () =>
    (await readdir(folder)).filter((entry) => isRotatedName(entry, name)).toSorted();
  return {
    folder,
    path: name,
    troubles,
    open: (rotation = {}, clock = systemClock) =>
      new RotatingFile({
        path: name,
        rotation: { ...USUAL, ...rotation },
        clock,
        dropped: () => assert.fail('a line was dropped'),
        inTrouble: (doing) => troubles.push(doing),
      }),
    lines: async () => {
      const texts: string[] = [];
      for (const entry of [...(await old()), 'audit.log'])
        texts.push(await readFile(path.join(folder, entry), 'utf8'));
      return texts.join('').trimEnd().split('\n');
    },
    old,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

const COUNT = 500;
const numbered = Array.from({ length: COUNT }, (_, n) => `line ${n}`);

test('a file that is long enough gets another name, and no line is lost or out of order', async () => {
  await using at = await scene();
  const file = at.open({ bytesMax: 1000 });
  for (const line of numbered) {
    file.write(`${line}\n`);
    // What is asynchronous has its turn between.
    if (line.endsWith('7')) await stat(at.path);
  }
  await file[Symbol.asyncDispose]();
  assert.deepEqual(await at.lines(), numbered);
  assert.ok((await at.old()).length >= 3);
  for (const entry of await at.old())
    assert.ok((await stat(path.join(at.folder, entry))).size < 1100);
});

test('only its owner may read it', async () => {
  await using at = await scene();
  await at.open()[Symbol.asyncDispose]();
  assert.equal((await stat(at.path)).mode & 0o777, 0o600);
});

test('what was there is gone on with', async () => {
  await using at = await scene();
  for (const line of ['one', 'two']) {
    const file = at.open();
    file.write(`${line}\n`);
    await file[Symbol.asyncDispose]();
  }
  assert.deepEqual(await at.lines(), ['one', 'two']);
});

test('two that write one file lose nothing when either rotates', async () => {
  await using at = await scene();
  const clock = new DrivenClock(Date.now());
  const [a, b] = [at.open({ bytesMax: 400 }, clock), at.open({ bytesMax: 400 }, clock)];
  const all: string[] = [];
  for (let n = 0; n < 100; n++) {
    for (const [name, file] of [
      ['a', a],
      ['b', b],
    ] as const) {
      file.write(`${name} ${n}\n`);
      all.push(`${name} ${n}`);
    }
    if (n % 10 === 0) clock.advance(10_000);
    await stat(at.folder);
  }
  await Promise.all([a[Symbol.asyncDispose](), b[Symbol.asyncDispose]()]);
  assert.deepEqual((await at.lines()).toSorted(), all.toSorted());
  assert.deepEqual(at.troubles, []);
});

test('after logrotate has moved it, it is written anew', async () => {
  await using at = await scene();
  const clock = new DrivenClock(Date.now());
  await using file = at.open({}, clock);
  await rename(at.path, `${at.path}.1`);
  for (let n = 0; n < 100 && !existsSync(at.path); n++) {
    clock.advance(10_000);
    await stat(at.folder);
  }
  file.write('after\n');
  await file[Symbol.asyncDispose]();
  assert.equal(await readFile(at.path, 'utf8'), 'after\n');
});

test('an old file is begun anew at its time, an empty one is not', async () => {
  await using at = await scene();
  const clock = new DrivenClock(Date.now());
  await using file = at.open({ everyMs: 60_000 }, clock);
  clock.advance(61_000);
  assert.deepEqual(await at.old(), []);
  file.write('x\n');
  for (let n = 0; n < 8 && (await at.old()).length === 0; n++) {
    clock.advance(10_000);
    await stat(at.path);
  }
  assert.equal((await at.old()).length, 1);
});

test('old files that are too old, or too much, are removed; others are left alone', async () => {
  await using at = await scene();
  const nowMs = Date.now();
  const DAY = 86_400_000;
  const made = async (daysAgo: number, bytes: number): Promise<string> => {
    const name = rotatedName(at.path, nowMs - daysAgo * DAY, USUAL);
    await writeFile(name, 'x'.repeat(bytes));
    await utimes(name, new Date(nowMs - daysAgo * DAY), new Date(nowMs - daysAgo * DAY));
    return path.basename(name);
  };
  await made(9, 10);
  await made(3, 600);
  const young = [await made(2, 300), await made(1, 600)];
  await writeFile(path.join(at.folder, 'audit-of-mine.log'), 'x');
  await mkdir(path.join(at.folder, 'audit'));
  const file = at.open({ keepMs: 6 * DAY, keptBytesMax: 1000 });
  await file[Symbol.asyncDispose]();
  assert.deepEqual(await at.old(), young.toSorted());
  assert.ok((await readdir(at.folder)).includes('audit-of-mine.log'));
});

test('a folder that is not there is told when it is opened', async () => {
  await using at = await scene();
  await rm(at.folder, { recursive: true });
  assert.throws(() => at.open(), /ENOENT/);
  await mkdir(at.folder);
});

test('names have the time, of the place or UTC', () => {
  const at = Date.UTC(2026, 2, 1, 12, 30, 0, 5);
  const name = rotatedName('/var/log/audit.log', at, { localTime: false });
  assert.equal(name, '/var/log/audit-2026-03-01T12-30-00.005.log');
  assert.equal(isRotatedName(path.basename(name), '/var/log/audit.log'), true);
  const offsetMs = new Date(at).getTimezoneOffset() * 60_000;
  const local = rotatedName('/var/log/audit.log', at, { localTime: true });
  assert.equal(local, rotatedName('/var/log/audit.log', at - offsetMs, { localTime: false }));
});

test('what a full disk does not take waits, up to a limit; past it, lines are dropped', async () => {
  const troubles: string[] = [];
  let dropped = 0;
  const file = new RotatingFile({
    path: '/dev/full',
    rotation: { ...USUAL, bytesMax: 1_000_000_000 },
    clock: systemClock,
    dropped: () => dropped++,
    inTrouble: (doing) => troubles.push(doing),
  });
  const MB = 1_048_576;
  for (let n = 0; n < 15; n++) file.write(`${'x'.repeat(MB - 1)}\n`);
  assert.equal(dropped, 0);
  for (let n = 0; n < 5; n++) file.write(`${'x'.repeat(MB - 1)}\n`);
  assert.equal(dropped, 4);
  await file[Symbol.asyncDispose]();
  assert.deepEqual(troubles, ['write']);
});
