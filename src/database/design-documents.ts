import type { Bucket, CollectionId } from '../bucket/bucket.ts';
import type { RecordKey } from '../bucket/records.ts';
import { scanObject } from '../document/json-scanner.ts';
import { GatewayError } from '../util/errors.ts';

/** The longest name of a design document, in UTF-8 bytes. */
const NAME_BYTES_MAX = 250;
/** The one that a reference keeps its own views in. */
const RESERVED = 'sync_gateway';

/**
 * Design documents of one collection: administrators' tools write them. They are kept and given
 * back; views are not run.
 */
export class DesignDocuments {
  readonly #bucket: Bucket;
  readonly #record: (name: string) => RecordKey;

  constructor(bucket: Bucket, collection: CollectionId, database: string) {
    this.#bucket = bucket;
    this.#record = (name) => {
      const id = `${collection}/${checked(name)}`;
      return { kind: 'design', database, id };
    };
  }

  /** JSON text. Throws `missing`; `forbidden` for a reserved name. */
  async get(name: string): Promise<string> {
    const stored = await this.#bucket.getRecord(this.#record(name));
    if (stored === undefined) throw new GatewayError('missing', 'missing');
    return stored.value;
  }

  /** Throws `badRequest` for what is no JSON object, `forbidden` for a reserved name. */
  async put(name: string, text: string): Promise<void> {
    const { start, end } = scanObject(text);
    await this.#write(name, text.slice(start, end));
  }

  /** Throws as `get`. */
  async remove(name: string): Promise<void> {
    await this.get(name);
    await this.#write(name, null);
  }

  async #write(name: string, value: string | null): Promise<void> {
    const record = this.#record(name);
    await this.#bucket.commit([{ kind: 'record', record, value, expiry: 0 }]);
  }
}

function checked(name: string): string {
  if (name === RESERVED) throw new GatewayError('forbidden', 'this design document is reserved');
  if (Buffer.byteLength(name) > NAME_BYTES_MAX)
    throw new GatewayError('badRequest', `a design document's name has ${NAME_BYTES_MAX} bytes`);
  return name;
}
