import type { Observer } from '../observability/events.ts';
import {
  eventDelivered,
  eventFilterFailed,
  eventNotDelivered,
  receiverChanged,
} from '../observability/events.ts';
import type { FilterFunction } from '../sandbox/sandbox.ts';
import { isGatewayError } from '../util/errors.ts';
import type { EventHandler } from './event-handler.ts';
import type { ReceiverGate, Trial } from './receiver-gate.ts';
import type { Attempt, OutgoingEvent, Webhooks } from './webhook.ts';

export interface SenderParts {
  readonly handler: EventHandler;
  /** Compiled; undefined where it has none. */
  readonly filter: FilterFunction | undefined;
  readonly webhooks: Webhooks;
  readonly observer: Observer;
}

/** What became of one attempt; `passed`: the filter does not want it sent. */
export type Sent = Attempt | 'passed';

/** For the status of a handler, since it was opened. */
export interface SenderFigures {
  readonly inFlight: number;
  readonly delivered: number;
  readonly failedAttempts: number;
  readonly filtered: number;
  readonly lastError: { readonly at: string; readonly reason: string } | undefined;
}

/** Asks the filter of one handler, sends what it accepts, and counts. */
export class EventSender {
  readonly #parts: SenderParts;
  readonly #now: () => number;
  #inFlight = 0;
  #delivered = 0;
  #failedAttempts = 0;
  #filtered = 0;
  #lastError: SenderFigures['lastError'];

  constructor(parts: SenderParts, now: () => number) {
    this.#parts = parts;
    this.#now = now;
  }

  get handler(): EventHandler {
    return this.#parts.handler;
  }

  get figures(): SenderFigures {
    return {
      inFlight: this.#inFlight,
      delivered: this.#delivered,
      failedAttempts: this.#failedAttempts,
      filtered: this.#filtered,
      lastError: this.#lastError,
    };
  }

  /**
   * One attempt. A failure after `signal` aborted counts for nothing. Throws `unavailable` where
   * the filter cannot be asked now.
   */
  async send(
    event: OutgoingEvent,
    { doc, signal }: { readonly doc?: string; readonly signal: AbortSignal },
  ): Promise<Sent> {
    if (!(await this.#isWanted(event, doc))) {
      this.#filtered += 1;
      return 'passed';
    }
    const { webhooks, handler } = this.#parts;
    this.#inFlight += 1;
    try {
      const attempt = await webhooks.send(handler.target, event, signal);
      if (attempt.ok) this.#succeeded(event, doc);
      else if (!signal.aborted) {
        this.#failedAttempts += 1;
        this.#lastError = { at: new Date(this.#now()).toISOString(), reason: attempt.reason };
      }
      return attempt;
    } finally {
      this.#inFlight -= 1;
    }
  }

  #succeeded(event: OutgoingEvent, doc: string | undefined): void {
    this.#delivered += 1;
    eventDelivered(this.#parts.observer, { handler: this.handler.id, event: event.name, doc });
  }

  /** A filter that breaks wants nothing, as recorded. */
  async #isWanted({ name, body }: OutgoingEvent, doc: string | undefined): Promise<boolean> {
    const { filter, observer, handler } = this.#parts;
    if (filter === undefined) return true;
    try {
      return await filter.accepts(body);
    } catch (cause) {
      if (!isGatewayError(cause, 'functionFailed')) throw cause;
      eventFilterFailed(observer, { handler: handler.id, event: name, doc, error: cause });
      return false;
    }
  }

  /** Tells the gate what became of an attempt, and the log what became of the receiver. */
  tellGate(gate: ReceiverGate, trial: Trial, sent: Sent): void {
    const { observer, handler } = this.#parts;
    if (sent === 'passed') {
      gate.passed();
      return;
    }
    const { id } = handler;
    if (sent.ok) {
      if (gate.succeeded()) receiverChanged(observer, { handler: id, isBack: true });
      return;
    }
    const changed = gate.failed(trial, sent);
    const { reason } = sent;
    if (changed !== undefined)
      receiverChanged(observer, { handler: id, isBack: changed === 'opened', reason });
  }

  /** Counts a failure that was no abort. */
  failed(
    event: Pick<OutgoingEvent, 'name'>,
    failure: { readonly reason: string; readonly again: boolean; readonly doc?: string },
  ): void {
    const { observer, handler } = this.#parts;
    eventNotDelivered(observer, { handler: handler.id, event: event.name, ...failure });
  }
}
