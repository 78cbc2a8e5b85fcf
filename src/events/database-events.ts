import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { javascriptTimeoutMs } from '../config/database-config.ts';
import type { ServingDatabase } from '../database/companion.ts';
import { parseDocId } from '../document/doc-id.ts';
import { parseRevId } from '../document/rev-id.ts';
import { sequence } from '../document/types.ts';
import type { FilterFunction, Sandbox } from '../sandbox/sandbox.ts';
import type { Clock } from '../util/clock.ts';
import { GatewayError } from '../util/errors.ts';
import { BestEffortFollower } from './best-effort-follower.ts';
import { BucketTurn } from './bucket-turn.ts';
import { DeadLetters } from './dead-letters.ts';
import type { DeadLetter } from './dead-letters.ts';
import { DeliverySlots } from './delivery-slots.ts';
import type { DeliveryTurn } from './delivery-turn.ts';
import { documentText } from './document-task.ts';
import { DurableFollower } from './durable-follower.ts';
import type { EventHandler } from './event-handler.ts';
import { eventHandlers } from './event-handler.ts';
import { EventSender } from './event-sender.ts';
import { HandlerPositions } from './handler-positions.ts';
import type { Webhooks } from './webhook.ts';

export interface DatabaseEventsServices {
  readonly sandbox: Sandbox;
  readonly webhooks: Webhooks;
  readonly clock: Clock;
}

/** A handler of `document_changed` at work. */
interface Working {
  readonly sender: EventSender;
  readonly filter: FilterFunction | undefined;
  /** Undefined with `best_effort`. */
  readonly follower: DurableFollower | undefined;
  readonly run: (signal: AbortSignal) => Promise<void>;
}

/** What is told of one handler. */
const handlerStatus = z.object({
  id: z.string(),
  url: z.string(),
  position: z.number().optional().meta({ description: 'Up to there all is told.' }),
  lag: z.number().optional().meta({ description: 'Sequences of the history after it.' }),
  waiting: z.number(),
  in_flight: z.number(),
  delivered: z.number().meta({ description: 'By this node, since the database went online.' }),
  failed_attempts: z.number(),
  filtered: z.number(),
  receiver_down: z.boolean(),
  dead_letters: z.number(),
  last_error: z.object({ at: z.string(), reason: z.string() }).optional(),
});
type HandlerStatus = z.infer<typeof handlerStatus>;

export const eventsStatus = z.object({
  mode: z.enum(['durable', 'best_effort']),
  delivering: z.boolean().meta({ description: 'Whether it is this node’s turn to deliver.' }),
  last_sequence: z.number(),
  document_changed: z.array(handlerStatus),
  db_state_changed: z.array(
    z.object({ id: z.string(), url: z.string(), dead_letters: z.number() }),
  ),
});

/** The events of one database while it serves with one configuration. */
export class DatabaseEvents implements AsyncDisposable {
  readonly #serving: ServingDatabase;
  readonly #services: DatabaseEventsServices;
  readonly #turn: DeliveryTurn;
  readonly #positions: HandlerPositions;
  readonly #deadLetters: DeadLetters;
  readonly #working: readonly Working[];
  readonly #stateHandlers: readonly EventHandler[];
  readonly #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  private constructor(
    serving: ServingDatabase,
    services: DatabaseEventsServices,
    filters: ReadonlyMap<string, FilterFunction>,
  ) {
    this.#serving = serving;
    this.#services = services;
    const { bucket, name: database, observer, config } = serving;
    const { clock } = services;
    const log = observer.log.with({ key: 'Events' });
    this.#turn = new BucketTurn({ bucket, database, owner: randomUUID(), clock, log });
    this.#positions = new HandlerPositions(bucket, database, serving.createdAt);
    this.#deadLetters = new DeadLetters(bucket, observer);
    const { document_changed: changed, db_state_changed: states } = config.event_handlers;
    const share = { requestsMax: config.event_handlers.max_processes, sharedBy: changed.length };
    this.#working = eventHandlers(changed).map((handler) =>
      this.#work(handler, filters.get(handler.id), new DeliverySlots(share)),
    );
    this.#stateHandlers = eventHandlers(states);
  }

  /**
   * Compiles the filters, and gives new handlers their place in the history: from then on nothing
   * is lost. Throws `badRequest` for a filter that does not compile, and what the bucket throws.
   */
  static async start(
    serving: ServingDatabase,
    services: DatabaseEventsServices,
  ): Promise<DatabaseEvents> {
    const { config, observer } = serving;
    await using opening = new AsyncDisposableStack();
    const filters = new Map<string, FilterFunction>();
    for (const { id, filter } of eventHandlers(config.event_handlers.document_changed)) {
      if (filter === '') continue;
      const options = {
        timeoutMs: javascriptTimeoutMs(config),
        log: observer.log.with({ key: 'Javascript' }),
      };
      filters.set(id, opening.use(await services.sandbox.filterFunction(filter, options)));
    }
    const events = new DatabaseEvents(serving, services, filters);
    await events.#begin();
    opening.move();
    return events;
  }

  /** Where each handler stands. */
  async status(): Promise<z.infer<typeof eventsStatus>> {
    const { bucket, config } = this.#serving;
    const end = await bucket.lastSequence();
    const letters = new Map<string, number>();
    for (const { event, handler } of await this.#deadLetters.list()) {
      const key = `${event} ${handler}`;
      letters.set(key, (letters.get(key) ?? 0) + 1);
    }
    const documents: HandlerStatus[] = [];
    for (const working of this.#working) {
      const { handler, figures } = working.sender;
      const position = await this.#positions.read(handler.id);
      const isDurable = working.follower !== undefined && position !== undefined;
      documents.push({
        id: handler.id,
        url: handler.shownUrl,
        ...(isDurable ? { position: position.seq, lag: Math.max(0, end - position.seq) } : {}),
        waiting: working.follower?.waiting ?? 0,
        in_flight: figures.inFlight,
        delivered: figures.delivered,
        failed_attempts: figures.failedAttempts,
        filtered: figures.filtered,
        receiver_down: working.follower?.isReceiverDown ?? false,
        dead_letters: letters.get(`document_changed ${handler.id}`) ?? 0,
        ...(figures.lastError === undefined ? {} : { last_error: figures.lastError }),
      });
    }
    return {
      mode: config.event_handlers.mode,
      delivering: this.#turn.held !== undefined,
      last_sequence: end,
      document_changed: documents,
      db_state_changed: this.#stateHandlers.map(({ id, shownUrl }) => ({
        id,
        url: shownUrl,
        dead_letters: letters.get(`db_state_changed ${id}`) ?? 0,
      })),
    };
  }

  /** The oldest first. */
  async deadLetters(): Promise<readonly DeadLetter[]> {
    return this.#deadLetters.list();
  }

  /** A dead letter with the event’s body, where there still is one. Throws `missing`. */
  async deadLetter(id: string): Promise<{ readonly letter: DeadLetter; readonly body?: string }> {
    const letter = await this.#deadLetters.get(id);
    const body = await this.#bodyOf(letter);
    return body === undefined ? { letter } : { letter, body };
  }

  /** Throws `missing`. */
  async dropDeadLetter(id: string): Promise<void> {
    await this.#deadLetters.get(id);
    await this.#deadLetters.remove([id]);
  }

  /**
   * Sends it once; then it is no dead letter any more. Throws `missing` where it, its handler or
   * its document is gone, `unavailable` where the receiver does not accept it: it is kept.
   */
  async resend(id: string, signal: AbortSignal): Promise<void> {
    const letter = await this.#deadLetters.get(id);
    const handler = this.#handlerOf(letter);
    if (handler === undefined)
      throw new GatewayError('missing', `there is no handler ${letter.handler} any more`);
    const body = await this.#bodyOf(letter);
    if (body === undefined)
      throw new GatewayError('missing', 'the revision of that dead letter is not kept any more');
    const { delivery, event: name, keyspace, seq } = letter;
    const event = {
      id: delivery,
      name,
      body,
      ...(keyspace === undefined ? {} : { keyspace }),
      ...(seq === undefined ? {} : { seq }),
    };
    const sent = await this.#services.webhooks.send(handler.target, event, signal);
    if (sent.ok) return this.#deadLetters.remove([id]);
    throw new GatewayError('unavailable', `it was not accepted: ${sent.reason}`);
  }

  /**
   * Tells a handler (by its id, or its place in the list) again of every document that changed
   * after a sequence. Throws `missing` for no such handler, `badRequest` where it keeps no position
   * or for a sequence past the end of the history.
   */
  async replay(named: string, from: number): Promise<string> {
    const { bucket } = this.#serving;
    const working = this.#working.find(
      ({ sender }, index) => sender.handler.id === named || String(index) === named,
    );
    if (working === undefined)
      throw new GatewayError('missing', `there is no handler ${named} of document_changed`);
    const { follower, sender } = working;
    if (follower === undefined)
      throw new GatewayError('badRequest', 'with mode best_effort there is nothing to replay from');
    const end = await bucket.lastSequence();
    if (from > end)
      throw new GatewayError('badRequest', `from: the history ends at sequence ${end}`);
    await this.#positions.replay(sender.handler.id, sequence(from));
    follower.restart();
    return sender.handler.id;
  }

  /** Ends deliveries, a while after `closing` aborted; what is under way may end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    for (const { filter } of this.#working) filter?.[Symbol.dispose]();
  }

  async #begin(): Promise<void> {
    const { clock } = this.#services;
    const { closing, observer, name } = this.#serving;
    const durable = this.#working.filter(({ follower }) => follower !== undefined);
    const ids = durable.map(({ sender }) => sender.handler.id);
    if (ids.length > 0) await this.#positions.begin(ids, Math.floor(clock.now() / 1000));
    await this.#positions.keepOnly(ids);
    observer.metrics.readFrom('webhook_lag', name, () =>
      Math.max(0, ...durable.map(({ follower }) => follower?.lag ?? 0)),
    );
    if (this.#working.length === 0) return;
    closing.addEventListener('abort', () => this.#stop.abort(), { once: true });
    this.#running = this.#run(this.#stop.signal);
  }

  async #run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#working.map(({ run }) => run(signal)));
    try {
      await this.#turn[Symbol.asyncDispose]();
    } catch (cause) {
      const log = this.#serving.observer.log.with({ key: 'Events' });
      log.warn('the turn to deliver events runs out by itself', { cause });
    }
  }

  #work(handler: EventHandler, filter: FilterFunction | undefined, slots: DeliverySlots): Working {
    const { webhooks, clock } = this.#services;
    const { observer, config } = this.#serving;
    const sender = new EventSender({ handler, filter, webhooks, observer }, () => clock.now());
    const common = { serving: this.#serving, sender, turn: this.#turn, clock };
    const { mode, max_processes: processesMax, wait_for_process: wait } = config.event_handlers;
    if (mode === 'best_effort') {
      const follower = new BestEffortFollower({ ...common, processesMax, waitMs: Number(wait) });
      return { sender, filter, follower: undefined, run: (signal) => follower.run(signal) };
    }
    const follower = new DurableFollower({
      ...common,
      slots,
      positions: this.#positions,
      deadLetters: this.#deadLetters,
    });
    return { sender, filter, follower, run: (signal) => follower.run(signal) };
  }

  #handlerOf({ event, handler: id }: DeadLetter): EventHandler | undefined {
    if (event === 'db_state_changed') return this.#stateHandlers.find((each) => each.id === id);
    return this.#working.find(({ sender }) => sender.handler.id === id)?.sender.handler;
  }

  async #bodyOf({ id, keyspace, doc, rev }: DeadLetter): Promise<string | undefined> {
    const kept = await this.#deadLetters.body(id);
    if (kept !== undefined || doc === undefined || rev === undefined) return kept;
    const { name, collections } = this.#serving;
    const context = collections.get(keyspace?.slice(name.length + 1) ?? '');
    return context && documentText({ context, doc: parseDocId(doc) }, parseRevId(rev));
  }
}
