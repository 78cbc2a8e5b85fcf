import type { Bucket, Judgement, StoredDocument } from '../bucket/bucket.ts';
import type { RecordKey } from '../bucket/records.ts';
import type { Cas, DocId } from '../document/types.ts';
import type { Observer } from '../observability/events.ts';
import { importTook } from '../observability/import-events.ts';
import { BoundedCache } from '../principals/bounded-cache.ts';
import type { FilterFunction, Sandbox } from '../sandbox/sandbox.ts';
import { GatewayError } from '../util/errors.ts';

export interface ImportRulesOptions {
  readonly bucket: Bucket;
  readonly sandbox: Sandbox;
  /** Where it is kept which rules hold. */
  readonly record: RecordKey;
  /** Source of the import filter; empty: there is none. */
  readonly filter: string;
  /** The version of the sync function. */
  readonly functionCas: Cas;
  /** The longest body as UTF-8. */
  readonly bytesMax: number;
  /** The longest call of the filter, ms. */
  readonly timeoutMs: number;
  readonly observer: Observer;
}

export interface Refused {
  readonly key: DocId;
  readonly cas: Cas;
  /** By a function that broke, which it might not do another time. */
  readonly hasBroken: boolean;
  readonly nowMs: number;
}

interface Remembered {
  readonly cas: Cas;
  /** ms since 1970. */
  readonly untilMs: number;
}

/** A document on which a function broke is not tried again for so long. */
const BROKEN_MS = 10_000;
/** A refusal is remembered of so many documents. */
const REMEMBERED_MAX = 10_000;
/** Writers of one record at a time are few: nodes that begin to serve. */
const STORE_ATTEMPTS_MAX = 5;

/**
 * What decides whether a collection takes in what strangers write: filter, sync function, and the
 * longest body. Which rules hold stands in a record of the bucket; a refusal states it, so that
 * nothing is refused by rules that another node has replaced.
 */
export class ImportRules implements Disposable {
  readonly filter: FilterFunction | undefined;
  readonly bytesMax: number;
  /** What a refusal rests on. */
  readonly version: NonNullable<Judgement['function']>;
  /** Logs what is not taken in. */
  readonly observer: Observer;
  /** Logs every document. */
  readonly details: Observer;
  readonly #refused = new BoundedCache<DocId, Remembered>(REMEMBERED_MAX);

  private constructor(
    options: ImportRulesOptions,
    opened: { readonly filter: FilterFunction | undefined; readonly cas: Cas },
  ) {
    const { record, bytesMax, observer } = options;
    this.filter = opened.filter;
    this.bytesMax = bytesMax;
    this.version = { record, cas: opened.cas };
    this.observer = { ...observer, log: observer.log.with({ key: 'Import' }) };
    this.details = { ...observer, log: observer.log.with({ key: 'Import+' }) };
  }

  /** Throws `badRequest` with line and column where the filter is no function. */
  static async open(options: ImportRulesOptions): Promise<ImportRules> {
    const { sandbox, filter: source, timeoutMs, observer } = options;
    await using opening = new AsyncDisposableStack();
    const log = observer.log.with({ key: 'Javascript' });
    const filter =
      source === ''
        ? undefined
        : opening.use(await sandbox.filterFunction(source, { timeoutMs, log }));
    const cas = await storedVersion(options);
    opening.move();
    return new ImportRules(options, { filter, cas });
  }

  /** Whether exactly this was refused by these rules, and that is listed. */
  hasRefused({ key, cas }: Pick<StoredDocument, 'key' | 'cas'>, nowMs: number): boolean {
    const known = this.#refused.get(key);
    return known !== undefined && known.cas === cas && nowMs < known.untilMs;
  }

  /** That is listed: from now on it is remembered. */
  refused({ key, cas, hasBroken, nowMs }: Refused): void {
    const untilMs = hasBroken ? nowMs + BROKEN_MS : Number.POSITIVE_INFINITY;
    this.#refused.set(key, { cas, untilMs });
  }

  /** Time that was spent on imports. */
  took(elapsedMs: number): void {
    importTook(this.observer, elapsedMs);
  }

  [Symbol.dispose](): void {
    this.filter?.[Symbol.dispose]();
  }
}

/** Stores the rules where the record has others; gives its CAS. */
async function storedVersion(options: ImportRulesOptions): Promise<Cas> {
  const { bucket, record, filter, functionCas, bytesMax } = options;
  const value = JSON.stringify({ filter, function: functionCas, bytesMax });
  for (let attempt = 0; attempt < STORE_ATTEMPTS_MAX; attempt++) {
    const stored = await bucket.getRecord(record);
    if (stored?.value === value) return stored.cas;
    const ifCas = stored?.cas ?? 'absent';
    const [result] = await bucket.commit([{ kind: 'record', record, ifCas, value, expiry: 0 }]);
    if (result?.ok === true) return result.cas;
  }
  throw new GatewayError('unavailable', 'the import filter is being changed elsewhere; try again');
}
