import { revisionGraph } from '../../src/document/revision-graph.ts';
import { allDigests, formatMetadata, parseMetadata } from '../../src/document/sync-metadata.ts';
import { sequence } from '../../src/document/types.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { outcomeOf } from '../outcome.ts';

/** What a bucket holds, which may be damaged. */
export const metadataText: FuzzTarget = {
  name: 'metadata',
  seeds: [
    '{"at":1700000000,"in":{"a":0,"b":3},"tree":"1 *-abc"}',
    '{"at":1,"grants":1,"out":{"a":[1,2,"2-b",1],"b":[1,0,"2-b"]},"past":[["a",1,2]],' +
      '"sets":[["x"]],"files":{"1-a":["sha1-x"]},"tree":"3 *-c 0b3k9f2-b 0-a | 3 !-d @2-b"}',
    '{"at":1,"att":{"f":{"digest":"sha1-x","length":1,"revpos":1}},"tree":"1 -a"}',
  ],
  words: [
    '"in":{"a":0},',
    '"out":{"a":[1,2,"2-b"]},',
    '"past":[["a",1,2]],',
    '"sets":[["a"]],',
    '"files":{"1-a":[]},',
    ' | ',
    '@1-a',
    '!',
    '*',
    'b0',
    '-',
    ' ',
    '1',
  ],
  bytesMax: 5_000,
  run: (input) => {
    const text = input.toString();
    const parsed = outcomeOf(() => parseMetadata(text, sequence(9)), 'corrupt');
    if (!parsed.ok) return parsed.kind;
    const metadata = parsed.value;
    const told = outcomeOf(() => {
      const leaves = metadata.tree.leaves().length;
      if (leaves > 0) revisionGraph(metadata.tree);
      allDigests(metadata);
      return formatMetadata(metadata);
    }, 'corrupt');
    if (!told.ok) return told.kind;
    // What is written of damaged text may be damaged too, and must be readable as such.
    const again = outcomeOf(
      () => [...parseMetadata(told.value, sequence(9)).tree.revisions()],
      'corrupt',
    );
    return `taken ${metadata.channels.size > 0} ${Math.min(metadata.tree.size, 9)} ${again.kind}`;
  },
};
