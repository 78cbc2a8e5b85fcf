import type { Observer } from './events.ts';

/** What happens to the keys by which tokens are verified: one function for each. */

/** A provider's keys are others than before, or the first. */
export function keysRead(
  { log }: Pick<Observer, 'log'>,
  { provider, count }: { readonly provider: string; readonly count: number },
): void {
  log.info?.('keys of tokens read', { provider, count });
}

/** They could not be read: tokens of that provider may have to wait for them. */
export function keysNotRead(
  { log }: Pick<Observer, 'log'>,
  { provider, why }: { readonly provider: string; readonly why: string },
): void {
  log.warn('keys of tokens not read', { provider, why });
}
