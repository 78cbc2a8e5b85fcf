import type { DatabaseConfig } from '../config/database-config.ts';
import { javascriptTimeoutMs } from '../config/database-config.ts';
import type { ServedBy } from '../database/companion.ts';
import { eventDropped, eventGivenUp } from '../observability/events.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import type { Clock } from '../util/clock.ts';
import { backOffMs } from './back-off.ts';
import { DeadLetters } from './dead-letters.ts';
import { deliveryId } from './event-body.ts';
import type { EventHandler } from './event-handler.ts';
import { eventHandlers } from './event-handler.ts';
import { EventSender } from './event-sender.ts';
import type { Attempt, OutgoingEvent, Webhooks } from './webhook.ts';

export interface StateDeliveryParts {
  readonly sandbox: Sandbox;
  readonly webhooks: Webhooks;
  readonly clock: Clock;
  /** What is under way ends when it aborts. */
  readonly signal: AbortSignal;
}

const EVENT = 'db_state_changed';
/** Events of one handler that wait for the ones before. */
const WAITING_MAX = 100;
/** A state is soon of no interest. */
const ATTEMPTS_MAX = 5;

/**
 * Tells the handlers of `db_state_changed`, each in order. A state is a matter of this process and
 * of the moment: it is tried a few times, and then a dead letter; with `best_effort` once.
 */
export class StateDelivery {
  readonly #parts: StateDeliveryParts;
  readonly #queues = new Map<string, { waiting: number; done: Promise<void> }>();

  constructor(parts: StateDeliveryParts) {
    this.#parts = parts;
  }

  /** `body`: JSON text. */
  tell(database: ServedBy, body: string): void {
    const { config, observer, name } = database;
    for (const handler of eventHandlers(config.event_handlers.db_state_changed)) {
      const key = `${name} ${handler.id}`;
      const queue = this.#queues.get(key) ?? { waiting: 0, done: Promise.resolve() };
      if (queue.waiting >= WAITING_MAX) {
        const why = `${WAITING_MAX} others wait`;
        eventDropped(observer, { handler: handler.id, event: EVENT, why });
        continue;
      }
      this.#queues.set(key, queue);
      queue.waiting += 1;
      queue.done = queue.done
        .then(() => this.#deliver(database, handler, body))
        .catch((cause: unknown) => {
          observer.log.with({ key: 'Events' }).warn('an event was lost', { cause });
        })
        .finally(() => {
          queue.waiting -= 1;
          if (queue.waiting === 0) this.#queues.delete(key);
        });
    }
  }

  /** Resolves when nothing is on its way. */
  async idle(): Promise<void> {
    await Promise.all([...this.#queues.values()].map(({ done }) => done));
  }

  async #deliver(database: ServedBy, handler: EventHandler, body: string): Promise<void> {
    const { sandbox, webhooks, clock, signal } = this.#parts;
    const { observer, config } = database;
    using filter =
      handler.filter === ''
        ? undefined
        : await sandbox.filterFunction(handler.filter, {
            timeoutMs: javascriptTimeoutMs(config),
            log: observer.log.with({ key: 'Javascript' }),
          });
    const sender = new EventSender({ handler, filter, webhooks, observer }, () => clock.now());
    const beganMs = clock.now();
    const event = { id: deliveryId(EVENT, handler.id, body), name: EVENT, body };
    const attemptsMax = attemptsOf(config);
    for (let attempts = 1; ; attempts += 1) {
      const sent = await sender.send(event, { signal });
      if (sent === 'passed' || sent.ok || signal.aborted) return;
      // Who refuses it now will not want it later.
      const again = sent.kind === 'down' && attempts < attemptsMax;
      sender.failed(event, { reason: sent.reason, again });
      if (!again) {
        if (attemptsMax > 1)
          await this.#giveUp(database, { handler, event, attempts, beganMs, sent });
        return;
      }
      const pauseMs = Math.max(sent.waitMs ?? 0, backOffMs(attempts, event.id));
      await clock.sleep(pauseMs, signal);
      if (signal.aborted) return;
    }
  }

  async #giveUp(
    { bucket, observer }: ServedBy,
    failure: {
      readonly handler: EventHandler;
      readonly event: OutgoingEvent;
      readonly attempts: number;
      readonly beganMs: number;
      readonly sent: Extract<Attempt, { ok: false }>;
    },
  ): Promise<void> {
    if (bucket === undefined) return;
    const { handler, event, attempts, beganMs, sent } = failure;
    const { reason } = sent;
    const now = new Date(this.#parts.clock.now()).toISOString();
    // After those of documents.
    const id = `state-${now.replace(/\D/g, '')}-${event.id.slice(0, 16)}`;
    const letter = {
      id,
      event: EVENT,
      handler: handler.id,
      delivery: event.id,
      attempts,
      reason,
      first_attempt: new Date(beganMs).toISOString(),
      last_attempt: now,
    };
    await new DeadLetters(bucket, observer).add(letter, event.body);
    eventGivenUp(observer, { handler: handler.id, event: EVENT, id, attempts, reason });
  }
}

function attemptsOf({ event_handlers: { mode } }: DatabaseConfig): number {
  return mode === 'durable' ? ATTEMPTS_MAX : 1;
}
