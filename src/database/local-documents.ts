import type { Bucket, CollectionId } from '../bucket/bucket.ts';
import type { RecordKey } from '../bucket/records.ts';
import { scanObject } from '../document/json-scanner.ts';
import type { Clock } from '../util/clock.ts';
import { GatewayError } from '../util/errors.ts';

/**
 * A `_local` document: checkpoints of clients. Never replicated, never in a feed, one namespace for
 * all users.
 */
export interface LocalDocument {
  /** `0-n`: n counts the writes. */
  readonly rev: string;
  /** JSON text with `_id` and `_rev`. */
  readonly text: string;
}

/**
 * The `_local` documents of one collection. They expire when they were not written for
 * `expirySecs`.
 */
export class LocalDocuments {
  readonly #bucket: Bucket;
  readonly #collection: CollectionId;
  readonly #database: string;
  readonly #clock: Clock;
  readonly #expirySecs: number;

  constructor(options: {
    readonly bucket: Bucket;
    readonly collection: CollectionId;
    readonly database: string;
    readonly clock: Clock;
    readonly expirySecs: number;
  }) {
    this.#bucket = options.bucket;
    this.#collection = options.collection;
    this.#database = options.database;
    this.#clock = options.clock;
    this.#expirySecs = options.expirySecs;
  }

  /** Throws `missing`. */
  async get(id: string): Promise<LocalDocument> {
    const stored = await this.#bucket.getRecord(this.#record(id));
    if (stored === undefined) throw missing();
    const { n, body } = parseStored(stored.value);
    const head = `{"_id":${JSON.stringify(`_local/${id}`)},"_rev":"0-${n}"`;
    return { rev: `0-${n}`, text: body === '{}' ? `${head}}` : `${head},${body.slice(1)}` };
  }

  /**
   * Writes the document on top of the revision that its body names. Throws `conflict` where another
   * one is stored, `missing` where one is named and none is stored, `badRequest` for a bad body.
   */
  async put(id: string, text: string): Promise<{ readonly rev: string }> {
    const { rev, body } = parseBody(id, text);
    const record = this.#record(id);
    const stored = await this.#bucket.getRecord(record);
    const n = stored === undefined ? 0 : parseStored(stored.value).n;
    if (stored === undefined && rev !== undefined) throw missing();
    if (stored !== undefined && rev !== `0-${n}`) throw conflict();
    const [result] = await this.#bucket.commit([
      {
        kind: 'record',
        record,
        ifCas: stored?.cas ?? 'absent',
        value: `{"n":${n + 1},"body":${body}}`,
        expiry: this.#expirySecs === 0 ? 0 : this.#nowSecs() + this.#expirySecs,
      },
    ]);
    if (result?.ok !== true) throw conflict();
    return { rev: `0-${n + 1}` };
  }

  /** Throws `missing` where there is none, `conflict` where `rev` is not the stored one. */
  async remove(id: string, rev: string | undefined): Promise<void> {
    const record = this.#record(id);
    const stored = await this.#bucket.getRecord(record);
    if (stored === undefined) throw missing();
    if (rev !== `0-${parseStored(stored.value).n}`) throw conflict();
    const [result] = await this.#bucket.commit([
      { kind: 'record', record, ifCas: stored.cas, value: null, expiry: 0 },
    ]);
    if (result?.ok !== true) throw conflict();
  }

  #record(id: string): RecordKey {
    return { kind: 'local', database: this.#database, id: `${this.#collection}/${id}` };
  }

  #nowSecs(): number {
    return Math.floor(this.#clock.now() / 1000);
  }
}

const missing = (): GatewayError => new GatewayError('missing', 'missing');
const conflict = (): GatewayError =>
  new GatewayError('conflict', 'the _rev given is not the revision of the stored document');

/** The longest `_local` id, in UTF-8 bytes: what the reference's keys leave of a Couchbase key. */
const ID_BYTES_MAX = 250;
const DEPTH_MAX = 100;

/**
 * Stored as `{"n":…,"body":…}`; the body's text is cut out, so that its numbers stay as they were
 * sent.
 */
function parseStored(value: string): { readonly n: number; readonly body: string } {
  const comma = value.indexOf(',');
  return {
    n: Number(value.slice('{"n":'.length, comma)),
    body: value.slice(comma + ',"body":'.length, -1),
  };
}

function parseBody(
  id: string,
  text: string,
): { readonly rev: string | undefined; readonly body: string } {
  if (id === '' || Buffer.byteLength(id) > ID_BYTES_MAX)
    throw new GatewayError('badRequest', `a _local id has 1 to ${ID_BYTES_MAX} bytes`);
  const scanned = scanObject(text, { depthMax: DEPTH_MAX });
  let rev: string | undefined;
  const kept: string[] = [];
  for (const member of scanned.members) {
    if (member.key === '_rev') {
      const value: unknown = JSON.parse(text.slice(member.valueStart, member.end));
      if (typeof value !== 'string')
        throw new GatewayError('badRequest', 'the property _rev must be a string');
      rev = value;
    } else if (member.key !== '_id') kept.push(text.slice(member.start, member.end));
  }
  return { rev, body: `{${kept.join(',')}}` };
}
