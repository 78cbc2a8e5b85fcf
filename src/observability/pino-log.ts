import { randomBytes } from 'node:crypto';
import { openSync } from 'node:fs';
import { pino } from 'pino';
import type { Clock } from '../util/clock.ts';
import type { FieldRules } from './log-fields.ts';
import { writableFields } from './log-fields.ts';
import type { Log, LogFields, LogLevel, LogLine } from './log.ts';
import { textLine } from './text-line.ts';
import type { RedactionLevel } from './user-data.ts';

export interface LogOptions {
  readonly level: LogLevel;
  /** Of lines of level info and finer, those with these keys are written; `*` for all. */
  readonly keys: readonly string[];
  readonly redaction: RedactionLevel;
  /** JSON lines, or text for people. */
  readonly format: 'json' | 'text';
  readonly color: boolean;
  /** A path to append to, or the standard error. */
  readonly destination: 'stderr' | { readonly file: string };
  readonly clock: Clock;
}

/** The log of a process. What `with` gives shares its settings and its destination. */
export interface ProcessLog extends Log, AsyncDisposable {
  readonly settings: LogSettings;
  /**
   * Writes what waits, at once: for the last words of a process that dies. Its order among lines
   * that are being written is not certain.
   */
  flush(): void;
}

/** What may change while the process runs. */
export interface LogSettings {
  level: LogLevel;
  keys: ReadonlySet<string>;
  /** Lines so far, whether or not their level is written; `dropped`: those that found no room. */
  readonly lines: { readonly error: number; readonly warn: number; readonly dropped: number };
}

const STDERR = 2;
/** What waits for a slow destination; past it, lines are dropped and counted. */
const WAITING_BYTES_MAX = 16 * 1_048_576;
/** A full disk or a pipe that nobody reads must not keep the process from ending. */
const CLOSE_MS_MAX = 1000;

const RANK: Readonly<Record<LogLevel, number>> = {
  none: 0,
  error: 1,
  warn: 2,
  info: 3,
  debug: 4,
  trace: 5,
};

type WrittenLevel = Exclude<LogLevel, 'none'>;
type Sink = (level: WrittenLevel, message: string, fields: Record<string, unknown>) => void;

/**
 * A log that writes through pino. Lines that the destination cannot take (a full disk, a closed
 * pipe) are lost; nothing else fails. Throws where a file cannot be opened.
 */
export function createLog(options: LogOptions): ProcessLog {
  const { destination } = options;
  // NOTE: opened here, because the stream would tell of a failure only later, to nobody.
  const fd = destination === 'stderr' ? STDERR : openSync(destination.file, 'a');
  const stream = pino.destination({ dest: fd, sync: false, maxLength: WAITING_BYTES_MAX });
  const state = new State(options);
  stream.on('drop', () => state.lines.dropped++);
  stream.on('error', () => state.lines.dropped++);
  const shared: Shared = {
    state,
    sink: options.format === 'json' ? jsonSink(stream, options) : textSink(stream, options),
    rules: { redaction: options.redaction, hashKey: randomBytes(32) },
  };
  const log = new KeyedLog(shared, {});
  return Object.assign(log, {
    settings: state,
    flush: () => flushNow(stream),
    [Symbol.asyncDispose]: async () => {
      if (state.isClosed) return;
      state.isClosed = true;
      await Promise.race([closed(stream), options.clock.sleep(CLOSE_MS_MAX)]);
      // NOTE: one that is left with lines that nobody takes would keep the process from its end.
      stream.destroy();
    },
  });
}

type Stream = ReturnType<typeof pino.destination>;

/** Writes what waits, in order, and closes. */
async function closed(stream: Stream): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  stream.once('close', () => resolve());
  stream.once('error', () => resolve());
  stream.end();
  await promise;
}

function flushNow(stream: Stream): void {
  try {
    stream.flushSync();
  } catch {
    // NOTE: the destination is closed or full; there is nowhere to tell it.
  }
}

function jsonSink(stream: Stream, { clock }: LogOptions): Sink {
  const json = pino(
    {
      level: 'trace',
      base: null,
      messageKey: 'message',
      timestamp: () => `,"time":"${new Date(clock.now()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
  return (level, message, fields) => json[level](fields, message);
}

function textSink(stream: Stream, { clock, color }: LogOptions): Sink {
  return (level, message, fields) => {
    stream.write(textLine({ time: clock.now(), level, message, fields, color }));
  };
}

/** The mutable part, shared by a log and all that grew from it. */
class State implements LogSettings {
  level: LogLevel;
  keys: ReadonlySet<string>;
  readonly lines = { error: 0, warn: 0, dropped: 0 };
  isClosed = false;

  constructor({ level, keys }: LogOptions) {
    this.level = level;
    this.keys = new Set(keys);
  }

  isOn(level: WrittenLevel, key: unknown): boolean {
    if (this.isClosed || RANK[level] > RANK[this.level]) return false;
    if (RANK[level] < RANK.info || key === undefined || this.keys.has('*')) return true;
    if (typeof key !== 'string') return false;
    return this.keys.has(key) || this.keys.has(`${key}+`);
  }
}

interface Shared {
  readonly state: State;
  readonly sink: Sink;
  readonly rules: FieldRules;
}

class KeyedLog implements Log {
  readonly #shared: Shared;
  readonly #fields: LogFields;

  constructor(shared: Shared, fields: LogFields) {
    this.#shared = shared;
    this.#fields = fields;
  }

  get error(): LogLine {
    return this.#counting('error');
  }

  get warn(): LogLine {
    return this.#counting('warn');
  }

  get info(): LogLine | undefined {
    return this.#lineOf('info');
  }

  get debug(): LogLine | undefined {
    return this.#lineOf('debug');
  }

  get trace(): LogLine | undefined {
    return this.#lineOf('trace');
  }

  with(fields: LogFields): Log {
    return new KeyedLog(this.#shared, { ...this.#fields, ...fields });
  }

  #counting(level: 'error' | 'warn'): LogLine {
    return (message, fields) => {
      this.#shared.state.lines[level]++;
      this.#lineOf(level)?.(message, fields);
    };
  }

  #lineOf(level: WrittenLevel): LogLine | undefined {
    const { state, sink, rules } = this.#shared;
    if (!state.isOn(level, this.#fields['key'])) return undefined;
    return (message, fields) => {
      const all = fields === undefined ? this.#fields : { ...this.#fields, ...fields };
      sink(level, message, writableFields(all, rules));
    };
  }
}
