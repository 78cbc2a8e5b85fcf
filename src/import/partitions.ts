import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { DocId } from '../document/types.ts';

/** The part of the work, of so many, that a document belongs to: the same on every node. */
export function partitionOf(key: DocId, count: number): number {
  return crc32(key) % count;
}

/**
 * Which partitions each node is to have, by rendezvous: every node computes the same from the same
 * nodes, each gets as many as the others (or one more), and where a node comes or goes few move.
 */
export function sharePartitions(
  count: number,
  nodes: readonly string[],
): ReadonlyMap<string, readonly number[]> {
  const shares = new Map<string, number[]>(nodes.map((node) => [node, []]));
  const least = Math.floor(count / nodes.length);
  let withOneMore = count % nodes.length;
  for (let partition = 0; nodes.length > 0 && partition < count; partition++) {
    for (const node of preferredFirst(partition, nodes)) {
      const share = shares.get(node);
      const room = share === undefined ? 0 : least - share.length;
      if (share === undefined || room < 0 || (room === 0 && withOneMore === 0)) continue;
      if (room === 0) withOneMore--;
      share.push(partition);
      break;
    }
  }
  return shares;
}

function preferredFirst(partition: number, nodes: readonly string[]): readonly string[] {
  const weights = new Map(nodes.map((node) => [node, hash('md5', `${partition}/${node}`)]));
  return nodes.toSorted((a, b) => ((weights.get(a) ?? '') < (weights.get(b) ?? '') ? 1 : -1));
}
