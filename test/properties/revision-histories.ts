import fc from 'fast-check';

/** One revision of a document, as a client that made it has it. */
export interface MadeRevision {
  readonly rev: string;
  /** Its own and its ancestors' digests, the newest first. */
  readonly digests: readonly string[];
  readonly deleted: boolean;
  readonly body: Readonly<Record<string, unknown>>;
}

/** All revisions that clients have made of a document without knowing of each other. */
export interface MadeDocument {
  readonly revisions: readonly MadeRevision[];
}

const CHANNELS = ['a', 'b', 'c'];
const REVISIONS_MAX = 12;

const made = fc.record({
  /** Which of those before it it goes on from; the highest numbers: none, a tree of its own. */
  parent: fc.nat({ max: REVISIONS_MAX }),
  digest: fc.stringMatching(/^[0-9a-f]{32}$/),
  deleted: fc.boolean(),
  channels: fc.subarray(CHANNELS),
  grants: fc.subarray(CHANNELS, { maxLength: 1 }),
});

/** Trees with several roots, branches that end deleted, and live ends after deleted ones. */
export const madeDocument: fc.Arbitrary<MadeDocument> = fc
  .uniqueArray(made, {
    minLength: 2,
    maxLength: REVISIONS_MAX,
    selector: ({ digest }) => digest,
  })
  .map((all) => {
    const revisions: MadeRevision[] = [];
    for (const [at, { parent, digest, deleted, channels, grants }] of all.entries()) {
      const before = revisions[parent % (at + 1)];
      const digests = [digest, ...(before?.digests ?? [])];
      const body = { n: at, channels, grants };
      revisions.push({ rev: `${digests.length}-${digest}`, digests, deleted, body });
    }
    return { revisions };
  });

/** Those that no other goes on from. */
export function leavesOf({ revisions }: MadeDocument): readonly MadeRevision[] {
  const parents = new Set(revisions.map(({ digests }) => digests[1]));
  return revisions.filter(({ digests }) => !parents.has(digests[0]));
}

/** As every implementation decides: live before deleted, then the longer history, the digest. */
export function winnerOf(leaves: readonly MadeRevision[]): MadeRevision | undefined {
  return leaves.toSorted(
    (a, b) =>
      Number(a.deleted) - Number(b.deleted) ||
      b.digests.length - a.digests.length ||
      ((a.digests[0] ?? '') < (b.digests[0] ?? '') ? 1 : -1),
  )[0];
}
