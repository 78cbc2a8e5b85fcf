import { must } from '../util/assert.ts';
import { generationOf } from './rev-id.ts';
import type { Revision } from './revision-tree.ts';
import type { RevId } from './types.ts';

/**
 * How a revision tree is laid out: in lines of revisions, each the parent of the one before it and
 * a generation lower. So a revision is found by its generation, without an index of ids, and most
 * trees are one line. A line ends at a revision without parent, at the place of another line where
 * it branches off, or where generations are skipped.
 */
export interface Run {
  /** Generation of the first. */
  readonly top: number;
  /** Newest first; never empty. */
  readonly line: readonly Revision[];
}

export interface Place {
  readonly run: Run;
  readonly at: number;
}

export function findRevision(runs: readonly Run[], rev: RevId): Revision | undefined {
  const generation = generationOf(rev);
  for (const { top, line } of runs) {
    const revision = line[top - generation];
    if (revision?.rev === rev) return revision;
  }
  return undefined;
}

function findPlace(runs: readonly Run[], rev: RevId): Place | undefined {
  const generation = generationOf(rev);
  for (const run of runs) {
    const at = run.top - generation;
    if (run.line[at]?.rev === rev) return { run, at };
  }
  return undefined;
}

/** The revision and its ancestors, newest first. */
export function* upwards(runs: readonly Run[], rev: RevId): Generator<Revision> {
  let place = findPlace(runs, rev);
  while (place !== undefined) {
    const { line } = place.run;
    let parent: RevId | undefined;
    for (let at = place.at; at < line.length; at++) {
      const revision = must(line[at], 'at is within the line');
      yield revision;
      ({ parent } = revision);
    }
    place = parent === undefined ? undefined : findPlace(runs, parent);
  }
}

/** With another state of a revision that is there, at the same place. */
export function replaced(runs: readonly Run[], revision: Revision): readonly Run[] {
  const { run, at } = must(findPlace(runs, revision.rev), 'the revision is in the tree');
  const changed = { top: run.top, line: run.line.with(at, revision) };
  return runs.map((other) => (other === run ? changed : other));
}

/** With a line of new revisions, newest first, whose last has its parent in the tree, or none. */
export function extended(runs: readonly Run[], line: readonly Revision[]): readonly Run[] {
  const top = generationOf(must(line[0], 'a line is never empty').rev);
  const parent = must(line.at(-1), 'a line is never empty').parent;
  const base = runs.find((run) => run.line[0]?.rev === parent);
  if (base === undefined || base.top !== top - line.length) return [...runs, { top, line }];
  const longer = { top, line: [...line, ...base.line] };
  return runs.map((run) => (run === base ? longer : run));
}

/** Revisions that nothing comes from. */
export function leavesOf(runs: readonly Run[]): Revision[] {
  const heads = runs.map(({ line }) => must(line[0], 'a line is never empty'));
  if (runs.length < 2) return heads;
  // Where lines hang; what is within a line has a child there.
  const parents = new Set(runs.map(({ line }) => line.at(-1)?.parent));
  return heads.filter(({ rev }) => !parents.has(rev));
}

/** The newest `length` (at least 1) of a run that nothing else hangs on, and the others. */
export function cutShort(
  run: Run,
  length: number,
): { readonly run: Run; readonly dropped: readonly Revision[] } {
  const line = run.line.slice(0, length);
  const oldest = must(line.pop(), 'the length is at least 1');
  line.push({ ...oldest, parent: undefined });
  return { run: { top: run.top, line }, dropped: run.line.slice(length) };
}

/** Lays revisions out; `leaves` are those that nothing comes from, in the order wanted. */
export function layOut(
  byRev: ReadonlyMap<RevId, Revision>,
  leaves: readonly Revision[],
): readonly Run[] {
  const laid = new Set<RevId>();
  const runs: Run[] = [];
  for (const leaf of leaves) {
    let revision: Revision | undefined = leaf;
    while (revision !== undefined && !laid.has(revision.rev)) {
      const top = generationOf(revision.rev);
      const line: Revision[] = [];
      let next: Revision | undefined = revision;
      while (next !== undefined && !laid.has(next.rev) && fits(next, top - line.length)) {
        line.push(next);
        laid.add(next.rev);
        next = next.parent === undefined ? undefined : byRev.get(next.parent);
      }
      runs.push({ top, line });
      revision = next;
    }
  }
  return runs;
}

function fits(revision: Revision, generation: number): boolean {
  return generationOf(revision.rev) === generation;
}
