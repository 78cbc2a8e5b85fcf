import { z } from 'zod';
import type { Bucket, RecordChange } from '../bucket/bucket.ts';
import { BATCH_MAX } from '../bucket/bucket.ts';
import type { RecordKey } from '../bucket/records.ts';
import type { Observer } from '../observability/events.ts';
import { deadLetterDropped } from '../observability/events.ts';
import { GatewayError } from '../util/errors.ts';
import type { HeldTurn } from './delivery-turn.ts';

/** An event that was given up. */
const deadLetter = z.object({
  id: z.string(),
  event: z.string(),
  /** Id of the handler. */
  handler: z.string(),
  /** The delivery: the same as in each attempt. */
  delivery: z.string(),
  keyspace: z.string().optional(),
  doc: z.string().optional(),
  rev: z.string().optional(),
  seq: z.number().optional(),
  attempts: z.number(),
  /** Why the last attempt failed. */
  reason: z.string(),
  /** ISO times. */
  first_attempt: z.string(),
  last_attempt: z.string(),
});
export type DeadLetter = z.infer<typeof deadLetter>;
export { deadLetter as deadLetterSchema };

/** The most that a database keeps; then the oldest goes. */
const DEAD_LETTERS_MAX = 1000;
/** Longer bodies are not kept with it: they are read again from the document. */
const BODY_CHARS_MAX = 1024 * 1024;
const KIND = 'event_dead_letter';
const BODY_KIND = 'event_dead_letter_body';

/** The dead letters of a database, in its bucket, the oldest first. */
export class DeadLetters {
  readonly #bucket: Bucket;
  readonly #observer: Observer;
  /** Those that were there when it was last looked; undefined: never. */
  #ids: Set<string> | undefined;

  constructor(bucket: Bucket, observer: Observer) {
    this.#bucket = bucket;
    this.#observer = observer;
  }

  /** Kept, when this resolves. False where the turn is lost. */
  async add(letter: DeadLetter, body: string | undefined, turn?: HeldTurn): Promise<boolean> {
    const { id } = letter;
    const put = (kind: string, value: string): RecordChange => ({
      kind: 'record',
      record: this.#key(id, kind),
      value,
      expiry: 0,
    });
    const isKept = body !== undefined && body.length <= BODY_CHARS_MAX;
    const changes = [
      put(KIND, JSON.stringify(letter)),
      ...(isKept ? [put(BODY_KIND, JSON.stringify(body))] : []),
    ];
    const results = await (turn ?? this.#bucket).commit(changes);
    if (results?.[0]?.ok !== true) return false;
    await this.#makeRoom(id);
    return true;
  }

  /** All, the oldest first. */
  async list(): Promise<readonly DeadLetter[]> {
    const { kind, database } = this.#key('', KIND);
    const stored = await this.#bucket.listRecords({ kind, database, limit: BATCH_MAX });
    const letters = stored.flatMap(({ value }) => {
      const parsed = deadLetter.safeParse(JSON.parse(value));
      return parsed.success ? [parsed.data] : [];
    });
    this.#ids = new Set(stored.map(({ key }) => key.id));
    return letters;
  }

  /** Throws `missing`. */
  async get(id: string): Promise<DeadLetter> {
    const stored = await this.#bucket.getRecord(this.#key(id, KIND));
    const parsed = stored && deadLetter.safeParse(JSON.parse(stored.value));
    if (parsed?.success !== true)
      throw new GatewayError('missing', `there is no dead letter ${id}`);
    return parsed.data;
  }

  /** Undefined where it was too long to be kept. */
  async body(id: string): Promise<string | undefined> {
    const stored = await this.#bucket.getRecord(this.#key(id, BODY_KIND));
    return stored && z.string().parse(JSON.parse(stored.value));
  }

  async remove(ids: readonly string[]): Promise<void> {
    const gone = ids.flatMap((id) =>
      [KIND, BODY_KIND].map((kind): RecordChange => ({
        kind: 'record',
        record: this.#key(id, kind),
        value: null,
        expiry: 0,
      })),
    );
    for (let at = 0; at < gone.length; at += BATCH_MAX)
      await this.#bucket.commit(gone.slice(at, at + BATCH_MAX));
    for (const id of ids) this.#ids?.delete(id);
  }

  async #makeRoom(added: string): Promise<void> {
    if (this.#ids === undefined) await this.list();
    const ids = this.#ids ?? new Set();
    ids.add(added);
    if (ids.size <= DEAD_LETTERS_MAX) return;
    const [oldest = ''] = [...ids].toSorted();
    await this.remove([oldest]);
    deadLetterDropped(this.#observer, { id: oldest, kept: DEAD_LETTERS_MAX });
  }

  #key(id: string, kind: string): RecordKey {
    return { kind, database: this.#observer.database, id };
  }
}
