import type { Sample, Samples } from './samples.ts';
import type { DocumentGroup } from './step-findings.ts';

/** How many documents would enter and leave a channel. */
export interface ChannelMove {
  readonly collection: string;
  readonly channel: string;
  entering: number;
  leaving: number;
  readonly enteringSamples: Sample[];
  readonly leavingSamples: Sample[];
}

/** Channels that are counted; of further ones only that there are some. */
const CHANNELS_MAX = 20_000;

/** Counts the documents that would move, by channel. */
export class ChannelMoves {
  /** Entering and leaving of channels that are not counted. */
  notCounted = 0;
  readonly #max: number;
  readonly #moves = new Map<string, ChannelMove>();
  readonly #samples: Samples;

  constructor(samples: Samples, { max = CHANNELS_MAX } = {}) {
    this.#samples = samples;
    this.#max = max;
  }

  get moves(): Iterable<ChannelMove> {
    return this.#moves.values();
  }

  count(collection: string, { before, after, count, ids }: DocumentGroup): void {
    const [was, is] = [new Set(before), new Set(after)];
    for (const channel of was.difference(is)) {
      const move = this.#move(collection, channel, count);
      if (move === undefined) continue;
      move.leaving += count;
      this.#samples.add(move.leavingSamples, collection, ids);
    }
    for (const channel of is.difference(was)) {
      const move = this.#move(collection, channel, count);
      if (move === undefined) continue;
      move.entering += count;
      this.#samples.add(move.enteringSamples, collection, ids);
    }
  }

  #move(collection: string, channel: string, count: number): ChannelMove | undefined {
    const key = JSON.stringify([collection, channel]);
    const known = this.#moves.get(key);
    if (known !== undefined) return known;
    if (this.#moves.size >= this.#max) {
      this.notCounted += count;
      return undefined;
    }
    const move = {
      collection,
      channel,
      entering: 0,
      leaving: 0,
      enteringSamples: [],
      leavingSamples: [],
    };
    this.#moves.set(key, move);
    return move;
  }
}
