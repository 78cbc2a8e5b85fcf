import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
const FREE = ['public', 'admin', 'metrics'].flatMap((name) => [
  `--${name}-interface`,
  '127.0.0.1:0',
]);

class CommandRun {
  readonly child;
  readonly closed: Promise<unknown[]>;
  stdout = '';
  stderr = '';

  constructor(args: readonly string[], cwd: string) {
    this.child = spawn(process.execPath, [MAIN, ...args], {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.closed = once(this.child, 'close');
    this.child.stdout.on('data', (chunk) => (this.stdout += String(chunk)));
    this.child.stderr.on('data', (chunk) => (this.stderr += String(chunk)));
  }

  async exitCode(): Promise<number | null> {
    await this.closed;
    return this.child.exitCode;
  }

  /** The welcome text, once it is complete. */
  async welcome(): Promise<string> {
    while (!this.stdout.includes('Ctrl-C')) {
      const event = await Promise.race([once(this.child.stdout, 'data'), this.closed]);
      assert.equal(this.child.exitCode, null, `ended too early: ${this.stderr} ${String(event)}`);
    }
    return this.stdout;
  }
}

async function inFolder(
  use: (run: (...args: string[]) => CommandRun, folder: string) => Promise<void>,
) {
  const folder = await mkdtemp(path.join(tmpdir(), 'cli-'));
  const runs: CommandRun[] = [];
  try {
    await use((...args) => {
      const run = new CommandRun(args, folder);
      runs.push(run);
      return run;
    }, folder);
  } finally {
    for (const { child } of runs) if (child.exitCode === null) child.kill('SIGKILL');
    await Promise.all(runs.map(({ closed }) => closed));
    await rm(folder, { recursive: true });
  }
}

function publicUrl(welcome: string): string {
  return /^ +public +(http:\/\/\S+?)\/?$/m.exec(welcome)?.[1] ?? '';
}

test('--version and --help answer and succeed', async () => {
  await inFolder(async (run) => {
    const version = run('--version');
    assert.equal(await version.exitCode(), 0);
    assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
    const help = run('serve', '--help');
    assert.equal(await help.exitCode(), 0);
    assert.match(help.stdout, /--admin-interface <host:port>/);
  });
});

test('a wrong command line ends with 2', async () => {
  await inFolder(async (run) => {
    const flag = run('serve', '--confg', 'x');
    assert.equal(await flag.exitCode(), 2);
    assert.match(flag.stderr, /Did you mean --config/);
    const command = run('sevre');
    assert.equal(await command.exitCode(), 2);
    assert.match(command.stderr, /tidegate --help/);
  });
});

test('a wrong configuration ends with 2, and every mistake is listed', async () => {
  await inFolder(async (run, folder) => {
    await writeFile(path.join(folder, 'c.json'), '{"apii": {}, "auth": {"bcrypt_cost": 1}}');
    const wrong = run('--config', 'c.json', '--admin-interface', '0.0.0.0:1');
    assert.equal(await wrong.exitCode(), 2);
    assert.match(wrong.stderr, /^ {2}- apii: .*did you mean api/m);
    assert.match(wrong.stderr, /^ {2}- auth\.bcrypt_cost: must be a whole number from 10 to 31/m);
    assert.match(wrong.stderr, /^ {2}- api\.admin_interface \(--admin-interface\): .*loopback/m);
    const absent = run('--config', 'absent.json');
    assert.equal(await absent.exitCode(), 2);
    assert.match(absent.stderr, /cannot read the configuration file absent\.json: ENOENT/);
  });
});

test('a bucket server that is not supported ends with 2', async () => {
  await inFolder(async (run, folder) => {
    await writeFile(path.join(folder, 'c.json'), '{"bootstrap": {"server": "couchbases://host"}}');
    const wrong = run('--config', 'c.json', ...FREE);
    assert.equal(await wrong.exitCode(), 2);
    assert.match(wrong.stderr, /sqlite:/);
  });
});

test('without a file the sample is served, and SIGTERM ends it with 0', async () => {
  await inFolder(async (run, folder) => {
    const gateway = run(...FREE);
    const welcome = await gateway.welcome();
    assert.match(welcome, /sample database "demo"/);
    const headers = { 'Content-Type': 'application/json' };
    const put = await fetch(`${publicUrl(welcome)}/demo/hello`, {
      method: 'PUT',
      headers,
      body: '{"n":1}',
    });
    assert.equal(put.status, 201);
    gateway.child.kill('SIGTERM');
    assert.equal(await gateway.exitCode(), 0);

    const again = run(...FREE, '--log-level', 'none');
    const got = await fetch(`${publicUrl(await again.welcome())}/demo/hello`);
    assert.equal(((await got.json()) as { n: number }).n, 1);
    again.child.kill('SIGINT');
    assert.equal(await again.exitCode(), 0);
    assert.equal(again.stderr, '');
    assert.notDeepEqual(await readdir(path.join(folder, 'data')), []);
  });
});

test('a port in use is told with the flag that names another', async () => {
  await inFolder(async (run) => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const gateway = run(...FREE, '--admin-interface', `127.0.0.1:${port}`);
    assert.equal(await gateway.exitCode(), 1);
    assert.match(gateway.stderr, new RegExp(`127\\.0\\.0\\.1:${port} is in use`));
    assert.match(gateway.stderr, /--admin-interface/);
    other.close();
  });
});
