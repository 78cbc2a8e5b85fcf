import { generationOf } from '../document/rev-id.ts';
import type { Revision, RevisionTree } from '../document/revision-tree.ts';
import type { RevId, Sequence } from '../document/types.ts';

/** Of a document, what a handler has told last. */
export interface ToldRevisions {
  readonly winner: RevId;
  /** All leaves at that time, the winner among them. */
  readonly leaves: readonly RevId[];
}

export interface TellingRules {
  /** Undefined where it is not known what was told, if anything. */
  readonly told: ToldRevisions | undefined;
  /** The winner of the change that is to be told; the tree may have moved on since. */
  readonly first: RevId;
  /**
   * Where changes before that one may have been passed over: those that are not told, or, where
   * that is not known, were superseded at this Unix second or later, are told too, as long as their
   * bodies are kept.
   */
  readonly sinceSecs: number | undefined;
  /** Of those that tell where they were written: whether that was told. */
  readonly isTold: (seq: Sequence) => boolean;
  /** How long bodies of superseded revisions are kept, in seconds. */
  readonly keptSecs: number;
  readonly winningRevOnly: boolean;
}

/** Clocks are read before a commit, which may take a while. */
const SLACK_SECS = 10;

/**
 * The revisions of a document that a handler must still tell, in their order; the winner is the
 * last one. Rather one too many than one too few: what is told twice is the same event.
 */
export function revisionsToTell(tree: RevisionTree, rules: TellingRules): readonly RevId[] {
  const winner = tree.winner();
  const losers = rules.winningRevOnly ? [] : losersToTell(tree, rules);
  if (rules.told?.winner === winner.rev) return losers;
  return [...losers, ...lineToTell(tree, winner, rules)];
}

/** Leaves of losing branches. Where it is not known which are new, all that live. */
function losersToTell(tree: RevisionTree, { told }: TellingRules): readonly RevId[] {
  if (!tree.hasBranches) return [];
  return tree
    .leaves()
    .slice(1)
    .filter(({ rev, deleted }) => (told === undefined ? !deleted : !told.leaves.includes(rev)))
    .map(({ rev }) => rev);
}

/** The winner, and those of its ancestors that nobody was told of. */
function lineToTell(tree: RevisionTree, winner: Revision, rules: TellingRules): readonly RevId[] {
  const { told, first, sinceSecs } = rules;
  const line: RevId[] = [winner.rev];
  const oldest = generationOf(first);
  for (const rev of tree.history(winner.rev).slice(1)) {
    if (told?.leaves.includes(rev) === true) break;
    const revision = tree.get(rev);
    if (revision === undefined) break;
    const isKept = revision.keptBody !== undefined || revision.deleted;
    const isOld = generationOf(rev) < oldest;
    if (isOld && told === undefined) {
      if (sinceSecs === undefined || !isKept) break;
      if (isTold(revision, sinceSecs, rules)) break;
    }
    if (isKept) line.push(rev);
  }
  return line.toReversed();
}

function isTold(
  { keptBody }: Revision,
  sinceSecs: number,
  rules: Pick<TellingRules, 'isTold' | 'keptSecs'>,
): boolean {
  if (keptBody?.seq !== undefined) return rules.isTold(keptBody.seq);
  // Nothing says where it was written, but when it was superseded.
  const expiry = keptBody?.expiry ?? 0;
  return expiry > 0 && expiry - rules.keptSecs < sinceSecs - SLACK_SECS;
}
