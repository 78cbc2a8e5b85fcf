import { must } from '../util/assert.ts';
import { GatewayError } from '../util/errors.ts';
import { generationOf } from './rev-id.ts';
import type { Run } from './revision-runs.ts';
import {
  cutShort,
  extended,
  findRevision,
  layOut,
  leavesOf,
  replaced,
  upwards,
} from './revision-runs.ts';
import type { Digest, RevId, Sequence } from './types.ts';
import { compareLeaves } from './winner.ts';

/** What the tree tells of one revision. */
export interface Revision {
  readonly rev: RevId;
  /** Undefined for a first revision, and where the parent is unknown or pruned. */
  readonly parent: RevId | undefined;
  readonly deleted: boolean;
  /** Where the sync function put it. Undefined for an ancestor of which only the id is known. */
  readonly channels: readonly string[] | undefined;
  /** Undefined: no body is kept beside the document. The winner's is the document's own. */
  readonly keptBody: KeptBody | undefined;
}

/**
 * A body in the bucket's revision bodies: a superseded winner's, a losing leaf's, a tombstone's.
 */
export interface KeptBody {
  /** Unix seconds after which it may be gone; 0: kept as long as the revision. */
  readonly expiry: number;
  /** Of the attachments that it refers to. */
  readonly digests: readonly Digest[];
  /** Where the revision was written, as far as that is known: of a superseded winner. */
  readonly seq?: Sequence;
}

/** What an inserted revision is known by; where it hangs is said by its ancestors. */
export interface NewRevision {
  readonly rev: RevId;
  readonly deleted: boolean;
  readonly channels?: readonly string[];
  readonly keptBody?: KeptBody;
}

/**
 * The revisions of a document and which comes from which. Immutable. Every way of inserting the
 * same revisions with their whole histories gives the same tree, hence the same leaves and winner
 * (invariant 5): a tree is the union of what histories told.
 */
export class RevisionTree {
  static readonly empty = new RevisionTree(() => []);

  readonly #load: () => readonly Run[];
  #loaded: readonly Run[] | undefined;
  #leaves: readonly Revision[] | undefined;

  private constructor(load: () => readonly Run[]) {
    this.#load = load;
  }

  /** A tree that is read when it is first asked; whoever stored it vouches for its shape. */
  static stored(load: () => readonly Run[]): RevisionTree {
    return new RevisionTree(load);
  }

  static #of(runs: readonly Run[]): RevisionTree {
    return new RevisionTree(() => runs);
  }

  /** How it is laid out. */
  get runs(): readonly Run[] {
    this.#loaded ??= this.#load();
    return this.#loaded;
  }

  get size(): number {
    return this.runs.reduce((size, { line }) => size + line.length, 0);
  }

  get(rev: RevId): Revision | undefined {
    return findRevision(this.runs, rev);
  }

  has(rev: RevId): boolean {
    return this.get(rev) !== undefined;
  }

  /** All, in no order. */
  *revisions(): Generator<Revision> {
    for (const { line } of this.runs) yield* line;
  }

  /** Revisions that nothing comes from: the winner first, then as they would win without it. */
  leaves(): readonly Revision[] {
    this.#leaves ??= sortedLeaves(this.runs);
    return this.#leaves;
  }

  /** The current revision. A tree of a document is never empty. */
  winner(): Revision {
    return must(this.leaves()[0], 'the revision tree of a document is not empty');
  }

  isLeaf(rev: RevId): boolean {
    return this.leaves().some((leaf) => leaf.rev === rev);
  }

  /** More than one leaf. */
  get hasBranches(): boolean {
    return this.leaves().length > 1;
  }

  /** More than one living leaf. */
  get isConflicted(): boolean {
    // Living ones come first.
    return this.leaves()[1]?.deleted === false;
  }

  /**
   * With this revision and its ancestors, the nearest first. Those that are unknown come in by
   * their ids alone; a known one without parent gets the parent that the history tells. Throws
   * `badRequest` where generations do not descend.
   */
  insert(revision: NewRevision, ancestors: readonly RevId[] = []): RevisionTree {
    checkDescent([revision.rev, ...ancestors]);
    return this.#append(revision, ancestors) ?? this.#merge(revision, ancestors);
  }

  /**
   * With another word on where the body of a known revision is kept; undefined: it is not any more.
   */
  withKeptBody(rev: RevId, keptBody: KeptBody | undefined): RevisionTree {
    const revision = must(this.get(rev), 'the revision is in the tree');
    return RevisionTree.#of(replaced(this.runs, { ...revision, keptBody }));
  }

  /** With other channels of a known revision. */
  withChannels(rev: RevId, channels: readonly string[]): RevisionTree {
    const revision = must(this.get(rev), 'the revision is in the tree');
    return RevisionTree.#of(replaced(this.runs, { ...revision, channels }));
  }

  /** The revision and its ancestors, newest first, at most `limit`; empty where it is unknown. */
  history(rev: RevId, limit = Number.POSITIVE_INFINITY): readonly RevId[] {
    const history: RevId[] = [];
    for (const { rev: ancestor } of upwards(this.runs, rev)) {
      if (history.length >= limit) break;
      history.push(ancestor);
    }
    return history;
  }

  /** The newest of `candidates` that is `rev` or an ancestor of it. */
  findAncestor(rev: RevId, candidates: ReadonlySet<string>): RevId | undefined {
    if (candidates.size === 0) return undefined;
    for (const { rev: ancestor } of upwards(this.runs, rev)) {
      if (candidates.has(ancestor)) return ancestor;
    }
    return undefined;
  }

  /** The first of a history, newest first, that is in the tree. */
  findAncestorKnown(history: readonly RevId[]): RevId | undefined {
    return history.find((rev) => this.has(rev));
  }

  /**
   * Without what is further from every leaf than `revsLimit` revisions (at least 1, the leaf
   * counts), and without deleted branches that are so far behind the winner. The winner stays.
   */
  prune(revsLimit: number): PrunedTree {
    if (this.size <= revsLimit) return { tree: this, dropped: [] };
    const [only, ...others] = this.runs;
    if (only !== undefined && others.length === 0) {
      const { run, dropped } = cutShort(only, revsLimit);
      return { tree: RevisionTree.#of([run]), dropped };
    }
    const keep = new Set<RevId>();
    const farBehind = generationOf(this.winner().rev) - revsLimit;
    const leaves = this.leaves().filter(
      ({ rev, deleted }) => !deleted || generationOf(rev) >= farBehind,
    );
    for (const { rev } of leaves) {
      for (const kept of this.history(rev, revsLimit)) keep.add(kept);
    }
    if (keep.size === this.size) return { tree: this, dropped: [] };
    const kept = new Map<RevId, Revision>();
    const dropped: Revision[] = [];
    for (const revision of this.revisions()) {
      if (keep.has(revision.rev)) kept.set(revision.rev, withoutLostParent(revision, keep));
      else dropped.push(revision);
    }
    return { tree: RevisionTree.#of(layOut(kept, leavesIn(kept))), dropped };
  }

  /** The usual insertion: a line that hangs on the tree. Undefined where more must change. */
  #append(revision: NewRevision, ancestors: readonly RevId[]): RevisionTree | undefined {
    if (this.has(revision.rev)) return undefined;
    const unknown = ancestors.findIndex((rev) => this.has(rev));
    const count = unknown === -1 ? ancestors.length : unknown;
    if (unknown !== -1 && this.#isJoinedBy(ancestors.slice(unknown))) return undefined;
    const line: Revision[] = [];
    for (let at = 0; at <= count; at++) {
      const rev = at === 0 ? revision.rev : must(ancestors[at - 1], 'at is within the history');
      const above = line.at(-1);
      if (above !== undefined && generationOf(above.rev) !== generationOf(rev) + 1)
        return undefined;
      const parent = ancestors[at];
      line.push(at === 0 ? inserted(revision, undefined, parent) : ancestorOnly(rev, parent));
    }
    return RevisionTree.#of(extended(this.runs, line));
  }

  /**
   * Whether a history that begins in the tree tells the parent of a revision that here has none.
   */
  #isJoinedBy(history: readonly RevId[]): boolean {
    for (const [index, rev] of history.entries()) {
      const next = history[index + 1];
      if (next === undefined) return false;
      const parent = this.get(rev)?.parent;
      if (parent === undefined) return true;
      if (parent !== next) return false;
    }
    return false;
  }

  /** Any insertion, by way of an index of all revisions. */
  #merge(revision: NewRevision, ancestors: readonly RevId[]): RevisionTree {
    const byRev = new Map<RevId, Revision>();
    for (const known of this.revisions()) byRev.set(known.rev, known);
    const known = byRev.get(revision.rev);
    let child = inserted(revision, known, known?.parent);
    byRev.set(child.rev, child);
    for (const rev of ancestors) {
      // What the tree knows counts more than a history that contradicts it.
      if (child.parent !== undefined && child.parent !== rev) break;
      if (child.parent === undefined) byRev.set(child.rev, { ...child, parent: rev });
      child = byRev.get(rev) ?? ancestorOnly(rev, undefined);
      byRev.set(rev, child);
    }
    return RevisionTree.#of(layOut(byRev, leavesIn(byRev)));
  }
}

export interface PrunedTree {
  readonly tree: RevisionTree;
  /** Bodies that were kept for these may go. */
  readonly dropped: readonly Revision[];
}

function checkDescent(history: readonly RevId[]): void {
  let above = Number.POSITIVE_INFINITY;
  for (const rev of history) {
    const generation = generationOf(rev);
    if (generation >= above) {
      throw new GatewayError('badRequest', 'The generations of a revision history must descend');
    }
    above = generation;
  }
}

function sortedLeaves(runs: readonly Run[]): readonly Revision[] {
  const leaves = leavesOf(runs);
  return leaves.length === 1 ? leaves : leaves.toSorted(compareLeaves);
}

function leavesIn(byRev: ReadonlyMap<RevId, Revision>): Revision[] {
  const parents = new Set<RevId>();
  for (const { parent } of byRev.values()) if (parent !== undefined) parents.add(parent);
  return [...byRev.values()].filter(({ rev }) => !parents.has(rev)).toSorted(compareLeaves);
}

function withoutLostParent(revision: Revision, keep: ReadonlySet<RevId>): Revision {
  if (revision.parent === undefined || keep.has(revision.parent)) return revision;
  return { ...revision, parent: undefined };
}

function inserted(
  revision: NewRevision,
  known: Revision | undefined,
  parent: RevId | undefined,
): Revision {
  const { rev, deleted } = revision;
  const channels = revision.channels ?? known?.channels;
  const keptBody = revision.keptBody ?? known?.keptBody;
  return { rev, parent, deleted, channels, keptBody };
}

function ancestorOnly(rev: RevId, parent: RevId | undefined): Revision {
  return { rev, parent, deleted: false, channels: undefined, keptBody: undefined };
}
