import type { PrincipalKey } from '../../bucket/bucket.ts';
import { ALL_CHANNELS, PUBLIC_CHANNEL } from '../../channels/channel-name.ts';
import type { Access } from './planned-access.ts';
import { channelText } from './planned-grants.ts';
import type { Sample, Samples } from './samples.ts';
import type { DocumentGroup } from './step-findings.ts';

/** What a user or a role would gain and lose. */
export interface Difference {
  readonly principal: PrincipalKey;
  gained: number;
  lost: number;
  readonly gainedSamples: Sample[];
  readonly lostSamples: Sample[];
}

/**
 * Who holds a channel: for each, in ascending order, four times the number of the principal and
 * when it holds it. So many of them take little memory.
 */
type ChannelHolders = number[];
const BEFORE = 1;
const AFTER = 2;
const BOTH = BEFORE | AFTER;

/** Pairs of a principal and a channel in memory: 10 to 200 bytes each. */
const PAIRS_MAX = 500_000;

/**
 * Users and roles by the channels that they hold before and after, and what that means for
 * documents that stay or move.
 */
export class Holders {
  readonly differences: Difference[] = [];
  readonly #pairsMax: number;
  readonly #channels = new Map<string, ChannelHolders>();
  readonly #samples: Samples;
  #pairs = 0;

  constructor(samples: Samples, { pairsMax = PAIRS_MAX } = {}) {
    this.#samples = samples;
    this.#pairsMax = pairsMax;
  }

  /** False where there is no place for more: it is not taken in. */
  add(principal: PrincipalKey, { before, after }: Access): boolean {
    const all = before.union(after);
    if (this.#pairs + all.size > this.#pairsMax) return false;
    this.#pairs += all.size;
    const number = this.differences.length;
    this.differences.push({ principal, gained: 0, lost: 0, gainedSamples: [], lostSamples: [] });
    for (const channel of all) {
      const when = (before.has(channel) ? BEFORE : 0) | (after.has(channel) ? AFTER : 0);
      const holders = this.#channels.get(channel);
      if (holders === undefined) this.#channels.set(channel, [number * 4 + when]);
      else holders.push(number * 4 + when);
    }
    return true;
  }

  /** Counts the documents of a group for everyone who would gain or lose them. */
  count(collection: { readonly name: string; readonly id: number }, group: DocumentGroup): void {
    const { before, after, count, ids } = group;
    const wasPublic = before.includes(PUBLIC_CHANNEL);
    const isPublic = after.includes(PUBLIC_CHANNEL);
    if (wasPublic && isPublic) return;
    const was = this.#holdersOf(collection.id, before);
    const is = this.#holdersOf(collection.id, after);
    const candidates = wasPublic || isPublic ? this.differences.keys() : whoMayDiffer(was, is);
    for (const number of candidates) {
      const saw = wasPublic || was.some((holders) => holds(holders, number, BEFORE));
      const sees = isPublic || is.some((holders) => holds(holders, number, AFTER));
      const difference = this.differences[number];
      if (saw === sees || difference === undefined) continue;
      difference[sees ? 'gained' : 'lost'] += count;
      const samples = sees ? difference.gainedSamples : difference.lostSamples;
      this.#samples.add(samples, collection.name, ids);
    }
  }

  /** Of the channels in which a document is; who holds `*` sees it too. */
  #holdersOf(collection: number, channels: readonly string[]): readonly ChannelHolders[] {
    return [...channels, ALL_CHANNELS].flatMap((channel) => {
      const holders = this.#channels.get(channelText(collection, channel));
      return holders === undefined ? [] : [holders];
    });
  }
}

/**
 * Who holds a channel that documents leave or enter, or began or ceased to hold one in which they
 * stay: all others see as much as before.
 */
function whoMayDiffer(
  was: readonly ChannelHolders[],
  is: readonly ChannelHolders[],
): ReadonlySet<number> {
  const found = new Set<number>();
  for (const holders of new Set([...was, ...is])) {
    const stays = was.includes(holders) && is.includes(holders);
    for (const code of holders) if (!stays || code % 4 !== BOTH) found.add(Math.floor(code / 4));
  }
  return found;
}

function holds(holders: ChannelHolders, number: number, when: number): boolean {
  let low = 0;
  let high = holders.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const code = holders[middle] ?? 0;
    const found = Math.floor(code / 4);
    if (found === number) return (code & when) !== 0;
    if (found < number) low = middle + 1;
    else high = middle - 1;
  }
  return false;
}
