import { createHash } from 'node:crypto';
import { redactUrl } from '../config/config-answer.ts';
import type { WebhookConfig } from '../config/event-options.ts';
import { must } from '../util/assert.ts';
import type { WebhookTarget } from './webhook.ts';
import { timeoutMsOf } from './webhook.ts';

/** A handler as it is configured. */
export interface EventHandler {
  /** Among the handlers of its event; under it its position is kept. */
  readonly id: string;
  readonly target: WebhookTarget;
  /** Without credentials. */
  readonly shownUrl: string;
  /** Source of its filter; `` for none. */
  readonly filter: string;
  readonly winningRevOnly: boolean;
  readonly maxAttempts: number;
  readonly maxAgeMs: number;
}

/**
 * The handlers of one event. One without a name is known by its URL, the second with the same URL
 * by that and its number.
 */
export function eventHandlers(configs: readonly WebhookConfig[]): readonly EventHandler[] {
  const seen = new Map<string, number>();
  return configs.map((config) => {
    const url = must(config.url, 'a handler without url is refused');
    const count = (seen.get(url) ?? 0) + 1;
    seen.set(url, count);
    const hash = createHash('sha256').update(url).digest('hex').slice(0, 16);
    return {
      id: config.id ?? (count === 1 ? hash : `${hash}-${count}`),
      target: { url, secret: config.secret, timeoutMs: timeoutMsOf(config.timeout) },
      shownUrl: redactUrl(url),
      filter: config.filter,
      winningRevOnly: config.options.winning_rev_only,
      maxAttempts: config.max_attempts,
      maxAgeMs: config.max_age_secs * 1000,
    };
  });
}
