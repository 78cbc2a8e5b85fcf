import { z } from 'zod';
import type { Bucket, RecordChange } from '../bucket/bucket.ts';
import type { RecordKey, StoredRecord } from '../bucket/records.ts';
import type { Cas, Sequence } from '../document/types.ts';
import { sequence } from '../document/types.ts';
import { GatewayError } from '../util/errors.ts';
import type { HeldTurn } from './delivery-turn.ts';

/** How far a handler has come: everything up to there is told, or kept as a dead letter. */
export interface HandlerPosition {
  readonly seq: Sequence;
  /** Up to there it is told whatever was written, be it superseded: not after `seq`. */
  readonly coveredUpTo: Sequence;
  /**
   * What came after that was committed at this Unix second or later; undefined where that is not
   * known, and nobody asks for what was superseded before it was read.
   */
  readonly sinceSecs: number | undefined;
  /** What is told beyond `coveredUpTo`, as `ToldRanges` has it. */
  readonly told: readonly number[];
}

export interface StoredPosition extends HandlerPosition {
  readonly cas: Cas;
}

const KIND = 'event_position';
const seqNumber = z.int().min(0).transform(sequence);
const storedPosition = z.object({
  /** When its database was created. */
  of: z.string(),
  seq: seqNumber,
  since: z.number().optional(),
  /** Absent: `seq`. */
  covered: seqNumber.optional(),
  told: z.array(z.int().min(0)).default([]),
});
const HANDLERS_MAX = 1000;
/** Of replays by several processes at once: administrators are few. */
const ATTEMPTS_MAX = 5;

/** The positions of a database's handlers, in its bucket, by the ids of the handlers. */
export class HandlerPositions {
  readonly #bucket: Bucket;
  readonly #database: string;
  readonly #createdAt: string;

  /** Those of a database of that name that was created at another time are none. */
  constructor(bucket: Bucket, database: string, createdAt: string) {
    this.#createdAt = createdAt;
    this.#bucket = bucket;
    this.#database = database;
  }

  async read(handler: string): Promise<StoredPosition | undefined> {
    const stored = await this.#bucket.getRecord(this.#key(handler));
    return stored && this.#parse(stored);
  }

  /** A handler that is new begins at the end of the history; others are where they were. */
  async begin(handlers: readonly string[], nowSecs: number): Promise<void> {
    const end = await this.#bucket.lastSequence();
    for (const handler of handlers) {
      const stored = await this.#bucket.getRecord(this.#key(handler));
      if (stored !== undefined && this.#parse(stored) !== undefined) continue;
      // Where another process is faster, its position is the one.
      const position = { seq: end, coveredUpTo: end, sinceSecs: nowSecs, told: [] };
      await this.#put(handler, position, stored?.cas ?? 'absent');
    }
  }

  /** Forgets those of handlers that are not configured any more. */
  async keepOnly(handlers: readonly string[]): Promise<void> {
    const { kind, database } = this.#key('');
    const all = await this.#bucket.listRecords({ kind, database, limit: HANDLERS_MAX });
    const gone = all.filter(({ key }) => !handlers.includes(key.id));
    if (gone.length === 0) return;
    await this.#bucket.commit(
      gone.map(({ key, cas }) => ({
        kind: 'record',
        record: key,
        ifCas: cas,
        value: null,
        expiry: 0,
      })),
    );
  }

  /**
   * Moves one on, as the holder of the turn. Undefined where the turn is lost, or somebody else has
   * moved it: what it was moved by counts.
   */
  async move(
    handler: string,
    position: HandlerPosition,
    { from, turn }: { readonly from: Cas; readonly turn: HeldTurn },
  ): Promise<Cas | undefined> {
    const results = await turn.commit([this.#change(handler, position, from)]);
    return results?.[0]?.ok === true ? results[0].cas : undefined;
  }

  /** Puts it elsewhere, whoever's turn it is. Throws `missing` where there is no such handler. */
  async replay(handler: string, seq: Sequence): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const stored = await this.read(handler);
      if (stored === undefined)
        throw new GatewayError('missing', `there is no handler ${handler} with a position`);
      const position = { seq, coveredUpTo: seq, sinceSecs: undefined, told: [] };
      if (await this.#put(handler, position, stored.cas)) return;
    }
    throw new GatewayError('unavailable', 'the position is being moved; try again');
  }

  #parse(stored: StoredRecord): StoredPosition | undefined {
    const handler = stored.key.id;
    const parsed = storedPosition.safeParse(JSON.parse(stored.value));
    if (!parsed.success)
      throw new GatewayError('corrupt', `the stored position of the handler ${handler} is none`);
    const { of, seq, covered = seq, since, told } = parsed.data;
    if (of !== this.#createdAt) return undefined;
    return { seq, coveredUpTo: covered, sinceSecs: since, told, cas: stored.cas };
  }

  /** Whether it was still in that state. */
  async #put(handler: string, position: HandlerPosition, ifCas: Cas | 'absent'): Promise<boolean> {
    const [result] = await this.#bucket.commit([this.#change(handler, position, ifCas)]);
    return result?.ok === true;
  }

  #change(
    handler: string,
    { seq, coveredUpTo, sinceSecs, told }: HandlerPosition,
    ifCas: Cas | 'absent',
  ): RecordChange {
    const value = JSON.stringify({
      of: this.#createdAt,
      seq,
      covered: coveredUpTo,
      since: sinceSecs,
      told,
    });
    return { kind: 'record', record: this.#key(handler), ifCas, value, expiry: 0 };
  }

  #key(handler: string): RecordKey {
    return { kind: KIND, database: this.#database, id: handler };
  }
}
