import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { Log } from '../observability/log.ts';
import { must } from '../util/assert.ts';
import { bootText, programText } from './child/program-text.ts';
import type { Limits } from './limits.ts';
import { decodeAnswers, encodeBatch, FrameSplitter, type Item } from './wire.ts';

/**
 * One process in which functions run. It has no environment, no right to files, processes or
 * threads, and limits on heap and data; what it sends is checked here. It takes one batch at a
 * time.
 */
export class SandboxChild {
  /** Resolves when it is ready for its first batch; rejects where it ends before. */
  readonly ready: Promise<void>;
  /** Resolves when the process is gone and nothing of it is left. */
  readonly gone: Promise<void>;
  readonly #process: ChildProcess;
  readonly #splitter: FrameSplitter;
  readonly #progressFile: number;
  #batch = 0;
  #waiting: Waiting | undefined;
  #errors = '';
  #ended: string | undefined;

  constructor({ limits, log }: { readonly limits: Limits; readonly log: Log }) {
    this.#splitter = new FrameSplitter(limits.frameBytes);
    this.#progressFile = openUnnamedFile();
    this.#process = spawn('/bin/sh', ['-c', START, 'sh', ...command(limits)], {
      cwd: '/',
      env: {},
      // A session of its own: what a terminal signals is for the gateway, which ends its children.
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe', this.#progressFile, 'pipe'],
    });
    this.ready = this.#expect().then(() => undefined);
    this.ready.catch(() => undefined); // NOTE: whoever waits for it is told; nobody need wait.
    this.gone = new Promise((resolve) => {
      this.#process.once('close', resolve);
    });
    this.#listen(log);
    const program = Buffer.from(programText(limits));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(program.length);
    this.#input.write(Buffer.concat([length, program]));
  }

  /** Whether the process has ended, or is being ended. */
  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /** The answers to a batch, one for each item, in order. Rejects with ChildEnded where it dies. */
  async run(items: readonly Item[]): Promise<readonly string[]> {
    this.#batch = (this.#batch + 1) >>> 0;
    const answers = this.#expect();
    this.#input.write(encodeBatch(this.#batch, items));
    const texts = await answers;
    if (texts.length === items.length) return texts;
    this.kill(MALFORMED);
    throw new ChildEnded(MALFORMED, undefined);
  }

  /** The index of the item that the child began last in the present batch; undefined for none. */
  begun(): number | undefined {
    const progress = Buffer.alloc(8);
    try {
      if (readSync(this.#progressFile, progress, 0, 8, 0) < 8) return undefined;
    } catch {
      return undefined; // NOTE: closed, after its end: nothing is known.
    }
    return progress.readUInt32LE(0) === this.#batch ? progress.readUInt32LE(4) : undefined;
  }

  /** Ends the process at once. What it runs fails with ChildEnded and this reason. */
  kill(reason: string): void {
    this.#ended ??= reason;
    this.#process.kill('SIGKILL');
  }

  get #input(): Writable {
    return must(this.#process.stdin, 'standard input is a pipe');
  }

  #expect(): Promise<readonly string[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>();
    this.#waiting = { resolve, reject, batch: this.#batch };
    return promise;
  }

  #listen(log: Log): void {
    const { stdout, stderr } = this.#process;
    const guard = must(this.#process.stdio[4], 'the guard is a pipe') as Writable;
    const input = this.#input;
    must(stdout, 'standard output is a pipe').on('data', (chunk: Buffer) => this.#read(chunk));
    must(stderr, 'standard error is a pipe').on('data', (chunk: Buffer) => {
      this.#errors = (this.#errors + chunk.toString('latin1')).slice(-ERRORS_CHARS_MAX);
    });
    // A write to a child that just died fails; its end is told by `close`.
    for (const stream of [input, guard, stdout as Readable]) stream.on('error', () => undefined);
    this.#process.on('error', (cause) => this.#end(`could not be started: ${cause.message}`));
    this.#process.once('exit', () => guard.end('done\n'));
    this.#process.once('close', (code, signal) => {
      if (this.#errors !== '') log.debug?.('sandbox child wrote', { output: this.#errors });
      const how = /out of memory|Allocation failed/.test(this.#errors) ? OUT_OF_MEMORY : undefined;
      this.#end(how ?? `ended with ${signal ?? `code ${code}`}`);
      closeSync(this.#progressFile);
    });
  }

  #read(chunk: Buffer): void {
    for (const payload of this.#splitter.push(chunk) ?? [undefined]) {
      const answers = payload === undefined ? undefined : decodeAnswers(payload);
      const waiting = this.#waiting;
      if (answers === undefined || waiting === undefined || answers.batch !== waiting.batch) {
        this.kill(MALFORMED);
        return;
      }
      this.#waiting = undefined;
      waiting.resolve(answers.texts);
    }
  }

  #end(reason: string): void {
    this.#ended ??= reason;
    this.#waiting?.reject(new ChildEnded(this.#ended, this.begun()));
    this.#waiting = undefined;
  }
}

/** The process ended before it answered. The message tells how: `took longer than 1000 ms`. */
export class ChildEnded extends Error {
  /** The index of the item that it began last; undefined where it had begun none of the batch. */
  readonly begun: number | undefined;

  constructor(reason: string, begun: number | undefined) {
    super(reason);
    this.name = 'ChildEnded';
    this.begun = begun;
  }
}

interface Waiting {
  readonly batch: number;
  readonly resolve: (texts: readonly string[]) => void;
  readonly reject: (cause: ChildEnded) => void;
}

const OUT_OF_MEMORY = 'used more memory than it may';
const MALFORMED = 'gave an answer that was not asked for';

/** The end of what a dying process writes is what explains its death. */
const ERRORS_CHARS_MAX = 4000;

/**
 * Sets the limits, leaves a guard behind and becomes the child. The guard waits for the parent to
 * close descriptor 4, which also happens when the parent is killed: then it ends a child that loops
 * and would not see the end of its input. A line means that the child is gone already.
 * The limit is on data (private memory), in KB; core files would hold documents.
 */
const START = `ulimit -d "$1" 2>/dev/null; ulimit -c 0 2>/dev/null; shift
unset PWD OLDPWD SHLVL
{ read -r _ <&4 || kill -9 $$; } </dev/null >/dev/null 2>&1 3>&- &
exec "$@" 4<&-`;

function command(limits: Limits): readonly string[] {
  return [
    String((limits.heapMb + limits.dataBaseMb) * 1024),
    process.execPath,
    `--max-old-space-size=${limits.heapMb}`,
    '--permission',
    '--no-experimental-sqlite',
    '--no-addons',
    '--no-warnings',
    '--disallow-code-generation-from-strings',
    '--unhandled-rejections=none',
    // What this compiler makes keeps its context in memory when nothing else does (Node 24.21).
    '--no-maglev',
    '--v8-pool-size=1',
    '--max-semi-space-size=1',
    '--title=tidegate-sandbox',
    '-e',
    bootText(),
  ];
}

/** A file that only its descriptor names: it ends with those who have it open. */
function openUnnamedFile(): number {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-'));
  try {
    return openSync(join(folder, 'progress'), 'wx+', 0o600);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
