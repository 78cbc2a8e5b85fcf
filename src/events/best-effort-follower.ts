import type { ServingDatabase } from '../database/companion.ts';
import { eventDropped } from '../observability/events.ts';
import { ZERO } from '../document/types.ts';
import type { Clock } from '../util/clock.ts';
import { backOffMs } from './back-off.ts';
import type { DeliveryTurn } from './delivery-turn.ts';
import type { DocumentTask } from './document-task.ts';
import { documentEvent, documentText, TaskMaker } from './document-task.ts';
import type { EventSender } from './event-sender.ts';

export interface BestEffortParts {
  readonly serving: ServingDatabase;
  readonly sender: EventSender;
  readonly turn: DeliveryTurn;
  readonly clock: Clock;
  /** Events that are on their way at once. */
  readonly processesMax: number;
  /** How long one more waits before it is dropped. */
  readonly waitMs: number;
}

/**
 * The old behaviour: one attempt for each change that this process sees, nothing is stored, and
 * what finds no room in time is dropped. Only a process whose turn it is sends.
 */
export class BestEffortFollower {
  readonly #parts: BestEffortParts;
  readonly #tasks: TaskMaker;
  #running = 0;
  #room: (() => void) | undefined;

  constructor(parts: BestEffortParts) {
    this.#parts = parts;
    this.#tasks = new TaskMaker(parts.serving);
  }

  /** Until `signal` aborts; then it waits for what is on its way, which ends at once. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, sender, serving } = this.#parts;
    let failures = 0;
    while (!signal.aborted) {
      try {
        await this.#follow(signal);
      } catch (cause) {
        if (signal.aborted) break;
        failures += 1;
        serving.observer.log.with({ key: 'Events' }).warn('events are lost for now', { cause });
        await clock.sleep(backOffMs(failures, sender.handler.id), signal);
      }
    }
    while (this.#running > 0) await new Promise<void>((resolve) => (this.#room = resolve));
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { turn, serving } = this.#parts;
    const { bucket } = serving;
    const read = { sinceSecs: undefined, isGapBefore: false, coveredUpTo: ZERO };
    for await (const page of bucket.mutations(await bucket.lastSequence(), signal)) {
      if ((await turn.tryTake()) === undefined) continue;
      for (const mutation of page.mutations) {
        const task = this.#tasks.make(mutation, read);
        if (task !== undefined) await this.#offer(task, signal);
      }
    }
  }

  async #offer(task: DocumentTask, signal: AbortSignal): Promise<void> {
    const { processesMax, waitMs, sender, serving, clock } = this.#parts;
    if (this.#running >= processesMax) {
      const hasRoom = new AbortController();
      this.#room = () => hasRoom.abort();
      await clock.sleep(waitMs, AbortSignal.any([hasRoom.signal, signal]));
      this.#room = undefined;
      if (signal.aborted) return;
    }
    if (this.#running < processesMax) void this.#send(task, signal);
    else {
      const why = `${processesMax} others are on their way`;
      const { observer } = serving;
      const handler = sender.handler.id;
      eventDropped(observer, { handler, event: 'document_changed', doc: task.doc, why });
    }
  }

  async #send(task: DocumentTask, signal: AbortSignal): Promise<void> {
    const { sender, serving } = this.#parts;
    this.#running += 1;
    try {
      const body = await documentText(task, task.rev);
      if (body === undefined) return;
      const event = { ...documentEvent(sender.handler, task, task.rev), body };
      const sent = await sender.send(event, { doc: task.doc, signal });
      if (sent === 'passed' || sent.ok) return;
      sender.failed(event, { reason: sent.reason, again: false, doc: task.doc });
    } catch (cause) {
      serving.observer.log.with({ key: 'Events' }).warn('an event was lost', { cause });
    } finally {
      this.#running -= 1;
      this.#room?.();
    }
  }
}
