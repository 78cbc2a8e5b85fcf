import { z } from 'zod';
import type { Bucket, RecordChange } from '../bucket/bucket.ts';
import type { RecordKey } from '../bucket/records.ts';
import type { Cas } from '../document/types.ts';
import type { Log } from '../observability/log.ts';
import type { Clock } from '../util/clock.ts';
import type { DeliveryTurn, HeldTurn } from './delivery-turn.ts';

export interface BucketTurnOptions {
  readonly bucket: Bucket;
  readonly database: string;
  /** Of this opening of the database: no other has it. */
  readonly owner: string;
  readonly clock: Clock;
  readonly log: Log;
  /** How long a turn lasts without being renewed. */
  readonly holdMs?: number;
}

/** So long nobody delivers after a process was killed. */
const HOLD_MS = 5000;
/** How often a process that waits looks whether the other one's turn is over. */
const LOOK_EVERY_MS = 250;

const storedTurn = z.object({ owner: z.string(), untilMs: z.number() });

interface Held extends HeldTurn {
  cas: Cas;
  untilMs: number;
  readonly loss: AbortController;
}

/**
 * A turn that is a record of the bucket: its owner, and until when. Each renewal gives the record
 * another CAS, and only who knows that writes under it.
 */
export class BucketTurn implements DeliveryTurn {
  readonly #options: BucketTurnOptions;
  readonly #key: RecordKey;
  readonly #holdMs: number;
  #held: Held | undefined;
  #taking: Promise<HeldTurn | undefined> | undefined;
  #keepers = 0;
  #keeping = new AbortController();

  constructor(options: BucketTurnOptions) {
    this.#options = options;
    this.#holdMs = options.holdMs ?? HOLD_MS;
    this.#key = { kind: 'event_turn', database: options.database, id: 'turn' };
  }

  get held(): HeldTurn | undefined {
    const held = this.#held;
    return held !== undefined && this.#now < held.untilMs ? held : undefined;
  }

  async take(signal: AbortSignal): Promise<HeldTurn | undefined> {
    while (!signal.aborted) {
      const held = await this.tryTake();
      if (held !== undefined) return held;
      await this.#options.clock.sleep(LOOK_EVERY_MS, signal);
    }
    return undefined;
  }

  async tryTake(): Promise<HeldTurn | undefined> {
    const held = this.#held;
    if (held !== undefined && this.#now < held.untilMs - this.#holdMs / 2) return held;
    this.#taking ??= this.#takeNow().finally(() => (this.#taking = undefined));
    return this.#taking;
  }

  keep(): Disposable {
    this.#keepers += 1;
    if (this.#keepers === 1) {
      this.#keeping = new AbortController();
      void this.#renewRegularly(this.#keeping.signal);
    }
    return {
      [Symbol.dispose]: () => {
        this.#keepers -= 1;
        if (this.#keepers === 0) this.#keeping.abort();
      },
    };
  }

  /** Others need not wait for its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#keeping.abort();
    await this.#taking?.catch(() => undefined); // told to whoever asked for it
    const held = this.#held;
    if (held === undefined) return;
    this.#lose();
    await this.#commit({ ifCas: held.cas, value: null });
  }

  get #now(): number {
    return this.#options.clock.now();
  }

  async #takeNow(): Promise<HeldTurn | undefined> {
    const { bucket, owner } = this.#options;
    const held = this.#held;
    let ifCas: Cas | 'absent' | undefined = held?.cas;
    if (ifCas === undefined) {
      const stored = await bucket.getRecord(this.#key);
      if (stored !== undefined && !this.#isOver(stored.value)) return undefined;
      ifCas = stored?.cas ?? 'absent';
    }
    const untilMs = this.#now + this.#holdMs;
    const value = JSON.stringify({ owner, untilMs });
    const cas = await this.#commit({ ifCas, value });
    if (cas === undefined) {
      this.#lose();
      return undefined;
    }
    if (held === undefined) return this.#hold(cas, untilMs);
    held.cas = cas;
    held.untilMs = untilMs;
    return held;
  }

  #hold(cas: Cas, untilMs: number): Held {
    const loss = new AbortController();
    const held: Held = {
      cas,
      untilMs,
      loss,
      lost: loss.signal,
      commit: (changes) => this.#commitUnder(held, changes),
    };
    this.#held = held;
    return held;
  }

  async #commitUnder(
    held: Held,
    changes: Parameters<HeldTurn['commit']>[0],
  ): ReturnType<HeldTurn['commit']> {
    while (!held.loss.signal.aborted) {
      const { cas } = held;
      const ifRecord = { record: this.#key, cas };
      const results = await this.#options.bucket.commit(
        changes.map((change) => ({ ...change, ifRecord })),
      );
      if (!results.some((result) => !result.ok && result.failed === 'record')) return results;
      // A renewal may have come before it, and is answered soon.
      await this.#taking?.catch(() => undefined); // told to whoever asked for it
      if (held.cas === cas) this.#lose();
    }
    return undefined;
  }

  #lose(): void {
    const held = this.#held;
    this.#held = undefined;
    held?.loss.abort();
  }

  #isOver(value: string): boolean {
    const parsed = storedTurn.safeParse(JSON.parse(value));
    // A clock that was set back must not make a turn last for ever.
    const leftMs = parsed.success ? parsed.data.untilMs - this.#now : 0;
    return leftMs <= 0 || leftMs > 2 * this.#holdMs;
  }

  async #commit(change: Pick<RecordChange, 'ifCas' | 'value'>): Promise<Cas | undefined> {
    const { bucket } = this.#options;
    const [result] = await bucket.commit([
      { kind: 'record', record: this.#key, expiry: 0, ...change },
    ]);
    return result?.ok === true ? result.cas : undefined;
  }

  async #renewRegularly(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(this.#holdMs / 4, signal);
      if (signal.aborted || this.#held === undefined) continue;
      try {
        await this.tryTake();
      } catch (cause) {
        log.warn('the turn to deliver events could not be renewed', { cause });
        if (this.held === undefined) this.#lose();
      }
    }
  }
}
