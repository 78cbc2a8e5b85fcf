import type { ChannelPeriod } from './channel-state.ts';
import { PAST_CHANNELS_MAX } from './channel-state.ts';
import type { Sequence } from './types.ts';

/**
 * Shorter earlier stays of a document: those of each channel that ended at or before `upTo` become
 * one, from the begin of the first to the end of the last. So no stay is forgotten, but the gaps
 * between them are. Undefined where there is nothing to merge. Pure.
 *
 * NOTE: a full list says that older stays may be forgotten, and must go on to say so.
 */
export function mergedStays(
  stays: readonly ChannelPeriod[],
  upTo: Sequence,
): readonly ChannelPeriod[] | undefined {
  if (stays.length < 2 || stays.length >= PAST_CHANNELS_MAX) return undefined;
  const first = new Map<string, Sequence>();
  const last = new Map<string, ChannelPeriod>();
  for (const stay of stays) {
    if (stay.until > upTo) continue;
    const from = first.get(stay.channel);
    if (from === undefined || stay.from < from) first.set(stay.channel, stay.from);
    const known = last.get(stay.channel);
    if (known === undefined || stay.until >= known.until) last.set(stay.channel, stay);
  }
  const merged = stays.flatMap((stay) => {
    if (stay.until > upTo) return [stay];
    if (last.get(stay.channel) !== stay) return [];
    return [{ ...stay, from: first.get(stay.channel) ?? stay.from }];
  });
  return merged.length < stays.length ? merged : undefined;
}
