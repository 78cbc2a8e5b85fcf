import type { ServerEventName, ServerWebhookConfig } from '../config/event-options.ts';
import { must } from '../util/assert.ts';
import type { Clock } from '../util/clock.ts';
import type { Log } from '../observability/log.ts';
import { redactUrl } from '../config/config-answer.ts';
import { backOffMs } from './back-off.ts';
import { deliveryId } from './event-body.ts';
import type { OutgoingEvent, Webhooks, WebhookTarget } from './webhook.ts';
import { timeoutMsOf } from './webhook.ts';

export interface ServerEventsOptions {
  readonly webhooks: Webhooks;
  readonly configs: readonly ServerWebhookConfig[];
  readonly clock: Clock;
  readonly log: Log;
  /** What is under way ends when it aborts. */
  readonly signal: AbortSignal;
}

const WAITING_MAX = 1000;
const ATTEMPTS_MAX = 5;

interface Receiver {
  readonly target: WebhookTarget;
  readonly events: readonly ServerEventName[];
  waiting: number;
  done: Promise<void>;
}

/** Tells load balancers and monitoring what happens to databases; each receiver in order. */
export class ServerEvents {
  readonly #options: ServerEventsOptions;
  readonly #receivers: readonly Receiver[];
  readonly #log: Log;

  constructor(options: ServerEventsOptions) {
    this.#options = options;
    this.#log = options.log.with({ key: 'Events' });
    this.#receivers = options.configs.map(({ url, secret, timeout, events }) => ({
      target: {
        url: must(url, 'a webhook without url is refused'),
        secret,
        timeoutMs: timeoutMsOf(timeout),
      },
      events,
      waiting: 0,
      done: Promise.resolve(),
    }));
  }

  /** Whether anybody wants to know anything. */
  get isHeard(): boolean {
    return this.#receivers.length > 0;
  }

  tell(name: ServerEventName, payload: Readonly<Record<string, unknown>>): void {
    for (const receiver of this.#receivers) {
      if (!receiver.events.includes(name)) continue;
      if (receiver.waiting >= WAITING_MAX) {
        this.#log.warn('server event dropped', { event: name, why: 'too many wait' });
        continue;
      }
      const body = JSON.stringify({ event: name, ...payload });
      const event = { id: deliveryId(name, receiver.target.url, body), name, body };
      receiver.waiting += 1;
      receiver.done = receiver.done
        .then(() => this.#deliver(receiver.target, event))
        .finally(() => (receiver.waiting -= 1));
    }
  }

  /** Resolves when nothing is on its way. */
  async idle(): Promise<void> {
    await Promise.all(this.#receivers.map(({ done }) => done));
  }

  async #deliver(target: WebhookTarget, event: OutgoingEvent): Promise<void> {
    const { webhooks, clock, signal } = this.#options;
    for (let attempts = 1; !signal.aborted; attempts += 1) {
      const sent = await webhooks.send(target, event, signal);
      if (sent.ok || signal.aborted) return;
      const again = sent.kind === 'down' && attempts < ATTEMPTS_MAX;
      const fields = { event: event.name, url: redactUrl(target.url), reason: sent.reason, again };
      this.#log.warn('server event not delivered', fields);
      if (!again) return;
      await clock.sleep(Math.max(sent.waitMs ?? 0, backOffMs(attempts, event.id)), signal);
    }
  }
}
