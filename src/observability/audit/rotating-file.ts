import { closeSync, existsSync, fstatSync, openSync, renameSync, statSync } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { pino } from 'pino';
import type { Clock } from '../../util/clock.ts';
import { isRotatedName, rotatedName } from './rotated-name.ts';

/** When a new file is begun, and what is kept of the old ones. */
export interface Rotation {
  /** The longest that the file becomes, in bytes. */
  readonly bytesMax: number;
  /** The longest that it is written to, ms; 0: by its length alone. */
  readonly everyMs: number;
  /** How long old files are kept, ms; 0: for ever. */
  readonly keepMs: number;
  /** All old files together, in bytes; 0: without a limit. */
  readonly keptBytesMax: number;
  /** Whether the time in the name of an old file is that of the place, not UTC. */
  readonly localTime: boolean;
}

export interface RotatingFileOptions {
  readonly path: string;
  readonly rotation: Rotation;
  readonly clock: Clock;
  /** A line found no room. */
  readonly dropped: () => void;
  /** Something does not work now; of writing it is told once until that works again. */
  readonly inTrouble: (doing: 'write' | 'rotate' | 'remove old files', error: unknown) => void;
}

/** What waits for a slow or full disk; past it, lines are dropped. */
const WAITING_BYTES_MAX = 16 * 1_048_576;
/** How often the file is looked after: its age, and whether it still has its name. */
const LOOK_MS = 10_000;
/** How often old files are looked for, beside each rotation. */
const PRUNE_MS = 3_600_000;
/** A full disk must not keep the process from ending. */
const CLOSE_MS_MAX = 1000;
/** What is in it is nobody else's business. */
const MODE = 0o600;

type Stream = ReturnType<typeof pino.destination>;

interface OpenFile {
  readonly stream: Stream;
  readonly inode: number;
  readonly bornMs: number;
  bytes: number;
}

/**
 * A file of lines that grows up to a limit; then it gets another name, and a new one is begun.
 * Several processes may write to one: whoever finds that another one has rotated it goes on in the
 * new one, as it does after `logrotate`.
 */
export class RotatingFile implements AsyncDisposable {
  readonly #options: RotatingFileOptions;
  readonly #stop = new AbortController();
  readonly #looking: Promise<void>;
  #file: OpenFile;
  #isInTrouble = false;
  #prunedMs = 0;

  /** Throws the system's error where the file cannot be opened. */
  constructor(options: RotatingFileOptions) {
    this.#options = options;
    this.#file = this.#open();
    this.#looking = this.#look();
  }

  /** The line, with its end, is written soon; in vain where the file is closed. */
  write(line: string): void {
    if (this.#stop.signal.aborted) return;
    const file = this.#file;
    file.stream.write(line);
    file.bytes += Buffer.byteLength(line);
    if (file.bytes >= this.#options.rotation.bytesMax) this.#rotate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    const { stream } = this.#file;
    await Promise.race([closed(stream), this.#options.clock.sleep(CLOSE_MS_MAX)]);
    stream.destroy();
    await this.#looking;
  }

  #open(): OpenFile {
    const { clock, dropped } = this.#options;
    const fd = openSync(this.#options.path, 'a', MODE);
    try {
      const { ino, size, birthtimeMs } = fstatSync(fd);
      const stream = pino.destination({ dest: fd, sync: false, maxLength: WAITING_BYTES_MAX });
      stream.on('drop', dropped);
      stream.on('error', (error: Error) => this.#cannotWrite(error));
      stream.on('drain', () => (this.#isInTrouble = false));
      const bornMs = size === 0 || birthtimeMs <= 0 ? clock.now() : birthtimeMs;
      return { stream, inode: ino, bornMs, bytes: size };
    } catch (cause) {
      closeSync(fd);
      throw cause;
    }
  }

  /** NOTE: not while it cannot be written: what waits would be lost with the old file. */
  #rotate(): void {
    if (this.#isInTrouble) return;
    const { path: name, rotation, clock } = this.#options;
    try {
      if (this.#hasItsName) {
        let at = clock.now();
        while (existsSync(rotatedName(name, at, rotation))) at++;
        renameSync(name, rotatedName(name, at, rotation));
      }
      this.#goOn();
    } catch (cause) {
      // Tried again when as much was written once more.
      this.#file.bytes = 0;
      this.#options.inTrouble('rotate', cause);
    }
    void this.#prune();
  }

  /** What is written to the old file still arrives there. */
  #goOn(): void {
    const before = this.#file.stream;
    this.#file = this.#open();
    void closed(before);
  }

  get #hasItsName(): boolean {
    const found = statSync(this.#options.path, { throwIfNoEntry: false });
    return found?.ino === this.#file.inode;
  }

  async #look(): Promise<void> {
    const { clock, rotation } = this.#options;
    await this.#prune();
    for (;;) {
      await clock.sleep(LOOK_MS, this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      const { bornMs, bytes, stream } = this.#file;
      // Tries again what could not be written.
      if (this.#isInTrouble) stream.write('');
      const isOld = rotation.everyMs > 0 && clock.now() - bornMs >= rotation.everyMs;
      if (isOld && bytes > 0) this.#rotate();
      else if (!this.#isInTrouble) this.#follow();
      if (clock.now() - this.#prunedMs >= PRUNE_MS) await this.#prune();
    }
  }

  /** Somebody else has rotated it. */
  #follow(): void {
    try {
      if (!this.#hasItsName) this.#goOn();
    } catch (cause) {
      this.#cannotWrite(cause);
    }
  }

  /** Removes old files that are too old, or too much, the oldest first. */
  async #prune(): Promise<void> {
    const { path: name, rotation, clock } = this.#options;
    const { keepMs, keptBytesMax } = rotation;
    this.#prunedMs = clock.now();
    try {
      const old = (await readdir(path.dirname(name)))
        .filter((entry) => isRotatedName(entry, name))
        .map((entry) => path.join(path.dirname(name), entry));
      const files = await Promise.all(old.map(sizeAndAge));
      let kept = 0;
      for (const file of files.toSorted((a, b) => b.mtimeMs - a.mtimeMs)) {
        kept += file.size;
        const isOld = keepMs > 0 && clock.now() - file.mtimeMs > keepMs;
        if (isOld || (keptBytesMax > 0 && kept > keptBytesMax)) await rm(file.name, GONE_IS_FINE);
      }
    } catch (cause) {
      this.#options.inTrouble('remove old files', cause);
    }
  }

  #cannotWrite(cause: unknown): void {
    if (this.#isInTrouble) return;
    this.#isInTrouble = true;
    this.#options.inTrouble('write', cause);
  }
}

const GONE_IS_FINE = { force: true };

/** Nothing, and ancient, where another process has just removed it. */
async function sizeAndAge(
  name: string,
): Promise<{ readonly name: string; readonly size: number; readonly mtimeMs: number }> {
  try {
    const { size, mtimeMs } = await stat(name);
    return { name, size, mtimeMs };
  } catch {
    return { name, size: 0, mtimeMs: 0 };
  }
}

/**
 * Writes what waits, and closes. NOTE: a stream that is left open with lines that the disk does not
 * take would try for ever to write them when the process ends, and keep it from that.
 */
async function closed(stream: Stream): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  stream.once('close', () => resolve());
  stream.once('error', () => {
    stream.destroy();
    resolve();
  });
  stream.end();
  await promise;
}
