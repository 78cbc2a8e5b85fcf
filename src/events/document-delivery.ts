import type { RevId, Sequence } from '../document/types.ts';
import type { CurrentDocument } from '../database/current-document.ts';
import { loadDocument } from '../database/current-document.ts';
import type { Observer } from '../observability/events.ts';
import { eventGivenUp } from '../observability/events.ts';
import { BoundedCache } from '../principals/bounded-cache.ts';
import type { Clock } from '../util/clock.ts';
import { isGatewayError } from '../util/errors.ts';
import { backOffMs } from './back-off.ts';
import type { DeadLetters } from './dead-letters.ts';
import type { DeliverySlots } from './delivery-slots.ts';
import type { HeldTurn } from './delivery-turn.ts';
import type { DocumentTask } from './document-task.ts';
import { documentEvent, documentText } from './document-task.ts';
import type { EventSender } from './event-sender.ts';
import type { ReceiverGate, Trial } from './receiver-gate.ts';
import type { ToldRevisions } from './revisions-to-tell.ts';
import { revisionsToTell } from './revisions-to-tell.ts';
import type { Attempt, OutgoingEvent } from './webhook.ts';

export interface DocumentDeliveryParts {
  readonly sender: EventSender;
  readonly gate: ReceiverGate;
  readonly slots: DeliverySlots;
  readonly deadLetters: DeadLetters;
  readonly clock: Clock;
  readonly observer: Observer;
  /** The turn under which dead letters are written; undefined: it is lost. */
  readonly turn: () => HeldTurn | undefined;
  /** Whether the change at that sequence is told, as far as is remembered. */
  readonly isTold: (seq: Sequence) => boolean;
  /** What was written at that sequence is told, perhaps before it is read. */
  readonly told: (seq: Sequence) => void;
  /** No attempt is begun after it aborts. */
  readonly stop: AbortSignal;
  /** Attempts that are under way end when it aborts. */
  readonly abort: AbortSignal;
}

/** Documents of which it is remembered what was told last. */
const TOLD_MAX = 10_000;
/** Of the filter, while the sandbox has too much to do. */
const FILTER_PAUSE_MS = 500;

/** `done`: there is nothing more to do; `later`: it could not be tried, for no fault of its own. */
type Tried = 'done' | 'later' | Extract<Attempt, { ok: false }>;
type UnsentEvent = Omit<OutgoingEvent, 'body'>;

/** It ends before what it does is done: nothing of that may count as told. */
class DeliveryStopped extends Error {}

/**
 * Tells one handler of documents: each revision that is due, one after the other, each as often as
 * it takes, until the receiver has accepted it or it is a dead letter.
 */
export class DocumentDelivery {
  readonly #parts: DocumentDeliveryParts;
  readonly #told = new BoundedCache<string, ToldRevisions>(TOLD_MAX);

  constructor(parts: DocumentDeliveryParts) {
    this.#parts = parts;
  }

  /** Resolves when it is told. Throws `DeliveryStopped`, and what the bucket throws. */
  async tell(task: DocumentTask): Promise<void> {
    const current = await loadDocument(task.context, task.doc);
    // Removed as if it had never been: there is nothing to tell.
    if (current === undefined) return;
    for (const rev of this.#due(task, current)) await this.#tellRevision(task, rev);
    const { tree } = current.metadata;
    const leaves = tree.hasBranches ? tree.leaves().map((leaf) => leaf.rev) : [current.rev];
    this.#told.set(task.lane, { winner: current.rev, leaves });
    this.#parts.told(current.seq);
  }

  #due(task: DocumentTask, current: CurrentDocument): readonly RevId[] {
    return revisionsToTell(current.metadata.tree, {
      told: this.#told.get(task.lane),
      first: task.rev,
      sinceSecs: task.isGapBefore ? task.sinceSecs : undefined,
      // What was read before this task is in its lane before it, or was told long ago.
      isTold: (seq) => seq <= task.coveredUpTo || this.#parts.isTold(seq),
      keptSecs: task.context.config.old_rev_expiry_seconds,
      winningRevOnly: this.#parts.sender.handler.winningRevOnly,
    });
  }

  async #tellRevision(task: DocumentTask, rev: RevId): Promise<void> {
    const { sender, clock, gate } = this.#parts;
    const event = documentEvent(sender.handler, task, rev);
    const beganMs = clock.now();
    let attempts = 0;
    let counted = 0;
    let accepted = gate.accepted;
    for (;;) {
      const trial = { rev, lane: task.lane, isFirst: attempts === 0 };
      const tried = await this.#try(task, trial, event);
      if (tried === 'done') return;
      if (tried === 'later') continue;
      const { kind, reason, waitMs } = tried;
      attempts += 1;
      if (kind !== 'down' || gate.accepted > accepted) counted += 1;
      accepted = gate.accepted;
      const { maxAttempts, maxAgeMs } = sender.handler;
      const again = counted < maxAttempts && clock.now() - beganMs < maxAgeMs;
      sender.failed(event, { reason, again, doc: task.doc });
      if (!again) {
        await this.#giveUp(task, event, { rev, attempts, reason, beganMs });
        return;
      }
      const pauseMs = Math.max(waitMs ?? 0, backOffMs(attempts, event.id));
      await clock.sleep(pauseMs, this.#parts.stop);
    }
  }

  async #try(
    task: DocumentTask,
    trial: Trial & { readonly rev: RevId },
    event: UnsentEvent,
  ): Promise<Tried> {
    const { sender, gate, slots, clock, stop, abort } = this.#parts;
    await gate.enter(trial);
    if (stop.aborted) throw new DeliveryStopped();
    try {
      const sent = await slots.run(
        () => documentText(task, trial.rev),
        (body) => sender.send({ ...event, body }, { doc: task.doc, signal: abort }),
        stop,
      );
      // Superseded, and its body is not kept any more: the newer one is told.
      if (sent === undefined) gate.passed();
      else if (abort.aborted && sent !== 'passed' && !sent.ok) throw new DeliveryStopped();
      else sender.tellGate(gate, trial, sent);
      return sent === undefined || sent === 'passed' || sent.ok ? 'done' : sent;
    } catch (cause) {
      gate.passed();
      if (stop.aborted) throw new DeliveryStopped();
      if (!isGatewayError(cause, 'unavailable')) throw cause;
      await clock.sleep(FILTER_PAUSE_MS, stop);
      return 'later';
    }
  }

  async #giveUp(
    task: DocumentTask,
    event: UnsentEvent,
    failure: {
      readonly rev: RevId;
      readonly attempts: number;
      readonly reason: string;
      readonly beganMs: number;
    },
  ): Promise<void> {
    const { sender, deadLetters, clock, observer } = this.#parts;
    const { rev, attempts, reason, beganMs } = failure;
    const handler = sender.handler.id;
    const { name, keyspace } = event;
    const turn = this.#parts.turn();
    if (turn === undefined) throw new DeliveryStopped();
    const letter = {
      id: letterId(task.seq, event.id),
      event: name,
      handler,
      delivery: event.id,
      ...(keyspace === undefined ? {} : { keyspace }),
      doc: task.doc,
      rev,
      seq: task.seq,
      attempts,
      reason,
      first_attempt: new Date(beganMs).toISOString(),
      last_attempt: new Date(clock.now()).toISOString(),
    };
    const body = await documentText(task, rev);
    if (!(await deadLetters.add(letter, body, turn))) throw new DeliveryStopped();
    eventGivenUp(observer, {
      handler,
      event: name,
      doc: task.doc,
      id: letter.id,
      attempts,
      reason,
    });
  }
}

/** Dead letters sort by the change that they tell. */
function letterId(seq: Sequence, delivery: string): string {
  return `${String(seq).padStart(16, '0')}-${delivery.slice(0, 16)}`;
}
