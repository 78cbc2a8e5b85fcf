import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';

// The command `tidegate` as a package has it: `bin/` beside a built `dist/`, here with a stand-in
// for the gateway that tells what reaches it.
const STAND_IN = `
const keepAlive = setInterval(() => {}, 1000);
let signals = 0;
for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
  process.on(name, () => { signals += 1; console.log('got', name); });
}
process.on('SIGTERM', () => setTimeout(() => { clearInterval(keepAlive); console.log('stopped after', signals); }, 400));
console.log('pid', process.pid);
console.log('args', process.argv.slice(2).join(' '));
if (process.argv[2] === 'exit') process.exit(Number(process.argv[3]));
if (process.argv[2] === 'crash') process.kill(process.pid, 'SIGKILL');
`;

interface Command extends AsyncDisposable {
  readonly wrapper: ChildProcess;
  /** The next line that the gateway prints which begins so; without these words. */
  line(start: string): Promise<string>;
  ended(): Promise<number | null>;
}

/** Longer than a busy machine may take between two signals of a test. */
const SAME_WITHIN_MS = 60_000;

/** As `npm start`, and `tidegate` under an old Node, run it: in a process of its own. */
const WRAPPER = `
import { runGateway } from './bin/run-gateway.js';
await runGateway(process.argv.slice(2), { sameSignalWithinMs: Number(process.env.SAME_WITHIN_MS) });
`;

async function run(program: string, ...args: readonly string[]): Promise<Command> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tidegate-command-'));
  await cp(path.join(import.meta.dirname, '../bin'), path.join(folder, 'bin'), { recursive: true });
  await mkdir(path.join(folder, 'dist/cli'), { recursive: true });
  await writeFile(path.join(folder, 'package.json'), '{"type":"module"}');
  await writeFile(path.join(folder, 'dist/cli/main.js'), STAND_IN);
  await writeFile(path.join(folder, 'wrapper.js'), WRAPPER);
  const wrapper = spawn(process.execPath, [path.join(folder, program), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, SAME_WITHIN_MS: String(SAME_WITHIN_MS) },
  });
  const exit = once(wrapper, 'exit');
  const lines = createInterface({ input: wrapper.stdout })[Symbol.asyncIterator]();
  return {
    wrapper,
    line: async (start) => {
      for (;;) {
        const next = await lines.next();
        assert(next.done !== true, `the gateway ended without printing "${start}"`);
        if (next.value.startsWith(start)) return next.value.slice(start.length + 1);
      }
    },
    ended: async () => ((await exit) as [number | null])[0],
    [Symbol.asyncDispose]: async () => {
      wrapper.kill('SIGTERM');
      await exit;
      await rm(folder, { recursive: true });
    },
  };
}

test('arguments reach the gateway as they are, and its exit code comes back', async () => {
  await using command = await run('wrapper.js', 'exit', '3', '--flag=a b');
  assert.equal(await command.line('args'), 'exit 3 --flag=a b');
  assert.equal(await command.ended(), 3);
});

test('a gateway that a signal killed ends the command with 128 and the number of the signal', async () => {
  await using command = await run('wrapper.js', 'crash');
  assert.equal(await command.ended(), 128 + 9);
});

test('under a Node that is new enough, the command is the gateway itself', async () => {
  await using command = await run('bin/tidegate.js', 'serve', '--flag');
  assert.equal(await command.line('pid'), String(command.wrapper.pid));
  assert.equal(await command.line('args'), 'serve --flag');
  command.wrapper.kill('SIGTERM');
  assert.equal(await command.ended(), 0);
});

test('a signal goes on to the gateway, and the command waits for its end', async () => {
  await using command = await run('wrapper.js', 'serve');
  await command.line('args');
  command.wrapper.kill('SIGHUP');
  assert.equal(await command.line('got'), 'SIGHUP');
  command.wrapper.kill('SIGTERM');
  assert.equal(await command.line('got'), 'SIGTERM');
  assert.equal(await command.line('stopped after'), '2');
  assert.equal(await command.ended(), 0);
});

test('the same signal twice at once counts once, as a Ctrl-C under npm comes', async () => {
  await using command = await run('wrapper.js', 'serve');
  await command.line('args');
  command.wrapper.kill('SIGTERM');
  await command.line('got');
  command.wrapper.kill('SIGTERM');
  assert.equal(await command.line('stopped after'), '1');
});

test('the gateway stops in good order when the command is killed', async () => {
  await using command = await run('wrapper.js', 'serve');
  await command.line('args');
  command.wrapper.kill('SIGKILL');
  assert.equal(await command.line('got'), 'SIGTERM');
  assert.equal(await command.line('stopped after'), '1');
});
