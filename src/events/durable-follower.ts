import type { Bucket, MutationPage } from '../bucket/bucket.ts';
import type { ServingDatabase } from '../database/companion.ts';
import type { Log } from '../observability/log.ts';
import { must } from '../util/assert.ts';
import type { Clock } from '../util/clock.ts';
import { backOffMs } from './back-off.ts';
import type { DeadLetters } from './dead-letters.ts';
import type { DeliverySlots } from './delivery-slots.ts';
import type { DeliveryTurn, HeldTurn } from './delivery-turn.ts';
import { DocumentDelivery } from './document-delivery.ts';
import { DocumentLanes } from './document-lanes.ts';
import type { DocumentTask } from './document-task.ts';
import { TaskMaker } from './document-task.ts';
import type { EventSender } from './event-sender.ts';
import { HandlerProgress } from './handler-progress.ts';
import type { HandlerPositions } from './handler-positions.ts';
import { ReceiverGate } from './receiver-gate.ts';

export interface FollowerParts {
  readonly serving: ServingDatabase;
  readonly sender: EventSender;
  readonly turn: DeliveryTurn;
  readonly positions: HandlerPositions;
  readonly deadLetters: DeadLetters;
  readonly slots: DeliverySlots;
  readonly clock: Clock;
}

/** Changes that one handler has read and not told. */
const PENDING_MAX = 2000;
/** What is under way when a database stops may take so long to end. */
const GRACE_MS = 1000;
/** How long progress may wait to be stored: what is told meanwhile is told again after a kill. */
const SAVE_AFTER_MS = 250;

/**
 * Tells one handler of `document_changed` of every change, from its stored position on: follows the
 * history while it is this process's turn, and stores how far everything is told. Whatever ends it
 * (a kill, a lost turn, a bucket that is away), it goes on from there, so that each change is told
 * at least once.
 */
export class DurableFollower {
  readonly #parts: FollowerParts;
  readonly #log: Log;
  readonly #tasks: TaskMaker;
  #stretch: Stretch | undefined;

  constructor(parts: FollowerParts) {
    this.#parts = parts;
    this.#log = parts.serving.observer.log.with({ key: 'Events' });
    this.#tasks = new TaskMaker(parts.serving);
  }

  /** Changes that were read and are not told. */
  get waiting(): number {
    return this.#stretch?.waiting ?? 0;
  }

  /** Whether the receiver accepts nothing, as far as this process knows. */
  get isReceiverDown(): boolean {
    return this.#stretch?.isReceiverDown ?? false;
  }

  /** How many sequences it is behind; 0 where another process delivers. */
  get lag(): number {
    return this.#stretch?.lag ?? 0;
  }

  /** Its position was moved: it goes on from there. */
  restart(): void {
    this.#stretch?.stop();
  }

  /** Until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, sender } = this.#parts;
    let failures = 0;
    while (!signal.aborted) {
      try {
        await this.#goOn(signal);
        failures = 0;
      } catch (cause) {
        if (signal.aborted) return;
        failures += 1;
        const pauseMs = backOffMs(failures, sender.handler.id);
        this.#log.warn('events are not delivered for now', { cause, pauseMs });
        await clock.sleep(pauseMs, signal);
      }
    }
  }

  /** One stretch, from the stored position to whatever ends it. */
  async #goOn(signal: AbortSignal): Promise<void> {
    const stretch = new Stretch(this.#parts, this.#tasks);
    const stop = (): void => stretch.stop();
    signal.addEventListener('abort', stop, { once: true });
    this.#stretch = stretch;
    try {
      if (!signal.aborted) await stretch.run();
    } finally {
      signal.removeEventListener('abort', stop);
      this.#stretch = undefined;
    }
  }
}

/** What is known of one stretch; begun anew, it is all forgotten but the stored position. */
class Stretch {
  readonly #parts: FollowerParts;
  readonly #tasks: TaskMaker;
  readonly #stop = new AbortController();
  readonly #abort = new AbortController();
  readonly #gate: ReceiverGate;
  readonly #lanes: DocumentLanes<DocumentTask>;
  readonly #progress = new HandlerProgress();
  #turn: HeldTurn | undefined;
  #keeping: Disposable | undefined;
  #saving: Promise<void> | undefined;

  constructor(parts: FollowerParts, tasks: TaskMaker) {
    this.#parts = parts;
    this.#tasks = tasks;
    const { sender, clock, slots, deadLetters, serving } = parts;
    const [stop, abort] = [this.#stop.signal, this.#abort.signal];
    this.#gate = new ReceiverGate(sender.handler.id, clock, stop);
    const delivery = new DocumentDelivery({
      sender,
      gate: this.#gate,
      slots,
      deadLetters,
      clock,
      observer: serving.observer,
      turn: () => this.#turn,
      isTold: (seq) => this.#progress.isTold(seq),
      told: (seq) => this.#progress.told(seq),
      stop,
      abort,
    });
    this.#lanes = new DocumentLanes({
      work: (task) => delivery.tell(task),
      pendingMax: PENDING_MAX,
      signal: stop,
      progress: ({ seq }) => {
        this.#progress.told(seq);
        this.#saveSoon();
      },
    });
  }

  get waiting(): number {
    return this.#lanes.size;
  }

  get isReceiverDown(): boolean {
    return this.#gate.isClosed;
  }

  get lag(): number {
    return this.#turn === undefined ? 0 : this.#progress.behind(this.#lanes.pending);
  }

  stop(): void {
    this.#stop.abort();
  }

  async run(): Promise<void> {
    const { positions, sender, serving } = this.#parts;
    const stored = await positions.read(sender.handler.id);
    this.#progress.begin(must(stored, 'a handler has a position before it is run'));
    const following = this.#follow(serving.bucket);
    try {
      await Promise.race([following, this.#lanes.failed]);
    } finally {
      this.#stop.abort();
      await following.catch(() => undefined); // told by the race, where it was the first
      await this.#end();
    }
  }

  async #follow(bucket: Bucket): Promise<void> {
    const { signal } = this.#stop;
    for await (const page of bucket.mutations(this.#progress.readUpTo, signal)) {
      if (!(await this.#takeTurn())) return;
      this.#keeping ??= this.#parts.turn.keep();
      await this.#take(page);
      await this.#progress.reached(page, bucket, this.#parts.clock);
      this.#saveSoon();
      if (signal.aborted) return;
    }
  }

  async #take(page: MutationPage): Promise<void> {
    const read = this.#progress.reading(page);
    for (const mutation of page.mutations) {
      const task = this.#tasks.make(mutation, read);
      if (task === undefined) this.#progress.told(mutation.seq);
      else if (!this.#progress.isTold(task.seq)) await this.#lanes.add(task);
    }
  }

  /** Whether it is ours, and nobody has told anything since the position was read. */
  async #takeTurn(): Promise<boolean> {
    const { turn, positions, sender } = this.#parts;
    const held = await turn.take(this.#stop.signal);
    if (held === undefined) return false;
    if (held === this.#turn) return true;
    if (this.#turn !== undefined) return false;
    this.#turn = held;
    held.lost.addEventListener('abort', () => this.#turnLost(), { once: true });
    const stored = await positions.read(sender.handler.id);
    return stored?.cas === this.#progress.cas && !held.lost.aborted;
  }

  /** Another process may deliver by now: nothing more of this one counts. */
  #turnLost(): void {
    this.#turn = undefined;
    this.#stop.abort();
    this.#abort.abort();
  }

  /** After a while, whatever happens meanwhile: many changes share one write. */
  #saveSoon(): void {
    this.#saving ??= this.#saveLater().finally(() => (this.#saving = undefined));
  }

  async #saveLater(): Promise<void> {
    const { clock, serving } = this.#parts;
    const { signal } = this.#stop;
    for (;;) {
      await clock.sleep(SAVE_AFTER_MS, signal);
      if (signal.aborted) return;
      try {
        await this.#save();
        // What was told meanwhile is saved next.
        if (this.#progress.position(this.#lanes.pending) === undefined) return;
      } catch (cause) {
        const log = serving.observer.log.with({ key: 'Events' });
        log.warn('the position of a webhook could not be stored; trying again', { cause });
      }
    }
  }

  async #save(): Promise<void> {
    const { positions, sender } = this.#parts;
    const turn = this.#turn;
    if (turn === undefined) return;
    const position = this.#progress.position(this.#lanes.pending);
    if (position !== undefined) {
      const from = this.#progress.cas;
      const cas = await positions.move(sender.handler.id, position, { from, turn });
      if (cas === undefined) {
        this.stop();
        return;
      }
      this.#progress.saved(position, cas);
    }
    if (this.#lanes.size > 0) return;
    // Nothing to do: the turn runs out by itself.
    this.#keeping?.[Symbol.dispose]();
    this.#keeping = undefined;
  }

  /** Lets what is under way end, for a while; stores how far it came. */
  async #end(): Promise<void> {
    const ended = new AbortController();
    const { clock, serving } = this.#parts;
    void clock.sleep(GRACE_MS, ended.signal).then(() => this.#abort.abort());
    await this.#lanes.ended();
    ended.abort();
    await this.#saving;
    try {
      await this.#save();
    } catch (cause) {
      // What is told and not stored is told again.
      const log = serving.observer.log.with({ key: 'Events' });
      log.warn('the position of a webhook could not be stored', { cause });
    } finally {
      this.#keeping?.[Symbol.dispose]();
    }
  }
}
