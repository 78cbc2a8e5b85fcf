/**
 * The entries that a document has in the channel index, kept with its metadata so that the next
 * change can replace them and a purge can remove them: JSON `[in, out, left]`, where `in` are the
 * channels (by number) that it is in, `out` those that it left with its last change (both have
 * their entry at the document's sequence), and `left` is `channel, seq, channel, seq …` of older
 * removals.
 */
export interface ChannelList {
  readonly in: readonly number[];
  readonly out: readonly number[];
  readonly left: readonly number[];
}

export const NO_CHANNELS: ChannelList = { in: [], out: [], left: [] };

export function parseChannelList(text: string): ChannelList {
  const [inside, out, left] = JSON.parse(text) as [number[], number[], number[]];
  return { in: inside, out, left };
}

export function formatChannelList(list: ChannelList): string {
  return `[[${list.in.join()}],[${list.out.join()}],[${list.left.join()}]]`;
}

/** All entries, as pairs of channel and sequence; `seq` is the document's. */
export function* entriesOf(list: ChannelList, seq: number): Iterable<readonly [number, number]> {
  for (const channel of list.in) yield [channel, seq];
  for (const channel of list.out) yield [channel, seq];
  for (let at = 0; at + 1 < list.left.length; at += 2) {
    yield [list.left[at] ?? 0, list.left[at + 1] ?? 0];
  }
}
