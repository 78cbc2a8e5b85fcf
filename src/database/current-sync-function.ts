import type { Bucket } from '../bucket/bucket.ts';
import type { RecordKey, StoredRecord } from '../bucket/records.ts';
import type { Cas } from '../document/types.ts';
import type { Log } from '../observability/log.ts';
import type { Sandbox, SyncFunction } from '../sandbox/sandbox.ts';
import { GatewayError } from '../util/errors.ts';
import { functionStored, functionValue } from './function-history.ts';

/**
 * The sync function that rules a collection now. Its source stands in a record of the bucket, and
 * the record's CAS is a precondition of every write that it judged: so when another process changes
 * the function, no write judged by the old one is committed; `reload` then brings the new one.
 */
export class CurrentSyncFunction implements Disposable {
  readonly #options: CurrentSyncFunctionOptions;
  #compiled: CompiledSyncFunction;
  #reloading: Promise<void> | undefined;

  private constructor(options: CurrentSyncFunctionOptions, compiled: CompiledSyncFunction) {
    this.#options = options;
    this.#compiled = compiled;
  }

  /**
   * Stores the source where the record has another one, and compiles it. Throws `badRequest` with
   * line and column where the source is no function; then nothing is stored.
   */
  static async open(
    options: CurrentSyncFunctionOptions,
    source: string,
  ): Promise<CurrentSyncFunction> {
    const { bucket, record } = options;
    const run = await compile(options, source);
    for (let attempt = 0; attempt < STORE_ATTEMPTS_MAX; attempt++) {
      const stored = await bucket.getRecord(record);
      if (stored !== undefined && stored.value === functionValue(source))
        return new CurrentSyncFunction(options, { run, record, cas: stored.cas });
      const [result] = await bucket.commit([
        {
          kind: 'record',
          record,
          ifCas: stored?.cas ?? 'absent',
          value: functionValue(source),
          expiry: 0,
        },
      ]);
      if (result?.ok === true) {
        await functionStored(bucket, record, result.cas);
        return new CurrentSyncFunction(options, { run, record, cas: result.cas });
      }
    }
    run[Symbol.dispose]();
    throw new GatewayError(
      'unavailable',
      'the sync function is being changed elsewhere; try again',
    );
  }

  /**
   * The function that rules the collection, as its record has it, whatever is configured. Throws
   * `unavailable` where there is none.
   */
  static async ruling(options: CurrentSyncFunctionOptions): Promise<CurrentSyncFunction> {
    const { bucket, record } = options;
    const stored = await bucket.getRecord(record);
    if (stored === undefined)
      throw new GatewayError('unavailable', `no sync function of ${record.id} is stored yet`);
    const run = await compile(options, sourceIn(stored));
    return new CurrentSyncFunction(options, { run, record, cas: stored.cas });
  }

  /**
   * A function that rules nothing: what it says is looked at and never committed. Throws
   * `badRequest` with line and column where the source is no function.
   */
  static async trial(
    options: CurrentSyncFunctionOptions,
    source: string,
  ): Promise<CurrentSyncFunction> {
    const run = await compile(options, source);
    return new CurrentSyncFunction(options, { run, record: options.record, cas: NEVER_STORED });
  }

  /** See `trial`. */
  other(source: string): Promise<CurrentSyncFunction> {
    return CurrentSyncFunction.trial(this.#options, source);
  }

  /** The function and what a commit of its verdict must state. */
  get now(): CompiledSyncFunction {
    return this.#compiled;
  }

  /**
   * Reads the record again after a commit found another version. Throws `unavailable` where it is
   * gone: another database has taken the collection over.
   */
  async reload(): Promise<void> {
    this.#reloading ??= this.#reload().finally(() => {
      this.#reloading = undefined;
    });
    await this.#reloading;
  }

  async #reload(): Promise<void> {
    const { bucket, record } = this.#options;
    const stored = await bucket.getRecord(record);
    if (stored === undefined)
      throw new GatewayError(
        'unavailable',
        `the database serves the collection ${record.id} no more`,
      );
    if (stored.cas === this.#compiled.cas) return;
    const run = await compile(this.#options, sourceIn(stored));
    const old = this.#compiled;
    this.#compiled = { run, record, cas: stored.cas };
    old.run[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#compiled.run[Symbol.dispose]();
  }
}

export interface CurrentSyncFunctionOptions {
  readonly bucket: Bucket;
  readonly sandbox: Sandbox;
  /** Where the source is kept. */
  readonly record: RecordKey;
  readonly log: Log;
  /** The longest call, ms; 0: the sandbox's default. */
  readonly timeoutMs: number;
}

export interface CompiledSyncFunction {
  readonly run: SyncFunction;
  readonly record: RecordKey;
  readonly cas: Cas;
}

/** No record has it: a commit that states it is refused. */
const NEVER_STORED = -1 as Cas;

function sourceIn({ value }: StoredRecord): string {
  return (JSON.parse(value) as { source: string }).source;
}

/** Writers of one function at a time are few: administrators. */
const STORE_ATTEMPTS_MAX = 5;

async function compile(
  { sandbox, timeoutMs, log }: CurrentSyncFunctionOptions,
  source: string,
): Promise<SyncFunction> {
  return sandbox.syncFunction(source, { timeoutMs, log: log.with({ key: 'Javascript' }) });
}
