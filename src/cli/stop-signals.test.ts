import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';

const PROGRAM = `
  import { stopSignals } from ${JSON.stringify(new URL('./stop-signals.ts', import.meta.url).href)};
  const { stopped } = stopSignals(() => process.stdout.write('last words'));
  setInterval(() => undefined, 1000);
  process.stdout.write('ready ');
  process.stdout.write((await stopped) + ' ');
`;

test('the first signal is told, a second one ends the process at once with its code', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  let output = '';
  child.stdout.on('data', (chunk) => (output += String(chunk)));
  const outputIs = async (text: string) => {
    while (output !== text) await once(child.stdout, 'data');
  };
  await outputIs('ready ');
  child.kill('SIGTERM');
  await outputIs('ready SIGTERM ');
  child.kill('SIGINT');
  await closed;
  assert.equal(child.exitCode, 130);
  assert.equal(output, 'ready SIGTERM last words');
});
