import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { temporaryFolder } from './helpers/temporary-folder.ts';

const DEMO = path.join(import.meta.dirname, '../demo/run.ts');

/** Runs the demo to its end, with a folder of its own for what it keeps meanwhile. */
async function runDemo(
  scratch: string,
  { stopAt, by }: { readonly stopAt: string; readonly by: NodeJS.Signals } | undefined = {
    stopAt: 'never',
    by: 'SIGTERM',
  },
): Promise<{ readonly code: number | null; readonly output: string; readonly errors: string }> {
  const child = spawn(process.execPath, [DEMO], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: scratch },
  });
  const ended = once(child, 'exit') as Promise<[number | null]>;
  child.stdout.on('data', (chunk) => {
    if (String(chunk).includes(stopAt)) child.kill(by);
  });
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    ended,
  ]);
  return { code, output, errors };
}

test('the demo ends by itself with a table of who holds what and why', async () => {
  await using scratch = await temporaryFolder();
  const { code, output, errors } = await runDemo(scratch.path);
  assert.deepEqual({ code, errors }, { code: 0, errors: '' }, output);
  const table = output.slice(output.indexOf('Who holds what, and why:'));
  const rows = table.split('\n').map((line) => line.trim().split(/\s{2,}/));
  const holds = (client: string, channel: string): { documents: number; because?: string } => {
    const row = rows.find((cells) => cells[0] === client && cells[1] === channel);
    assert.ok(row !== undefined, `${client} has a row for ${channel}:\n${table}`);
    return { documents: Number(row[2]), because: row[3]! };
  };
  assert.equal(holds('ada', 'europe').because, 'user ada');
  assert.equal(holds('bao', 'asia').because, 'role asia-desk ← user bao');
  assert.equal(holds('bao', 'oceania').because, 'role asia-desk ← user bao');
  assert.equal(holds('cleo', 'africa').because, 'document assignment:cleo');
  assert.equal(holds('cleo', 'europe').because, 'document assignment:cleo');
  assert.equal(holds('cleo', '!').documents, 1);
  assert.equal(holds('ada', 'europe').documents, holds('cleo', 'europe').documents);
  for (const [client, channels] of [
    ['ada', ['!', 'europe']],
    ['cleo', ['!', 'africa', 'europe']],
  ] as const) {
    const sum = channels.reduce((total, channel) => total + holds(client, channel).documents, 0);
    const { documents, because } = holds(client, 'together');
    assert.equal(documents, sum);
    assert.equal(because, `all that it may hold; with ${sum - 1} flags`);
  }
  assert.match(holds('bao', 'together').because!, /^all that it may hold;/);
  assert.match(output, /cleo gained \d\d \(.*…\), lost 0/);
  assert.match(output, /ada gained 0, lost 1 \(Cyprus\)/);
  assert.match(output, /bao gained 1 \(Cyprus\), lost 0/);
  assert.deepEqual(await readdir(scratch.path), [], 'nothing is left of it');
});

test('the demo cleans up where somebody stops it', async () => {
  await using scratch = await temporaryFolder();
  const { code, output } = await runDemo(scratch.path, { stopAt: 'a gateway runs', by: 'SIGINT' });
  assert.equal(code, 1, output);
  assert.deepEqual(await readdir(scratch.path), [], 'nothing is left of it');
});
