import type { Bucket } from '../../bucket/bucket.ts';
import { nextTurn } from '../../util/next-turn.ts';
import type { TaskCounts } from '../task-state.ts';
import { ChannelMoves } from './channel-moves.ts';
import { Holders } from './holders.ts';
import { plannedAccess } from './planned-access.ts';
import { PlannedGrants } from './planned-grants.ts';
import type { PlanReport } from './plan-report.ts';
import { planReport } from './plan-report.ts';
import { Samples, SAMPLES_MAX } from './samples.ts';
import type { DocumentGroup, StepFindings } from './step-findings.ts';
import { readFindings } from './step-findings.ts';

export interface Gathering {
  readonly bucket: Bucket;
  /** Metadata id. */
  readonly database: string;
  /** With which the names of the run's findings begin. */
  readonly prefix: string;
  /** The numbers of the collections that were looked at. */
  readonly collections: ReadonlySet<number>;
  readonly counts: TaskCounts;
  /** How long the plan took, ms. */
  readonly tookMs: number;
  /** Aborts where it is in vain. */
  readonly signal: AbortSignal;
}

const REFUSED_MAX = 100;
/** Groups of documents that are added up before they are counted for users. */
const GROUPS_MAX = 10_000;
/** What a resync needs beside the plan for each document that it changes. */
const CHANGE_MS = 0.1;

/**
 * Makes the report of all findings, with two walks over them: the first for what documents would
 * grant, the second, once it is known who holds which channel, for who gains and loses what.
 * Undefined where it was given up. Throws `tooLarge` as `PlannedGrants`.
 */
export async function gatherReport(gathering: Gathering): Promise<PlanReport | undefined> {
  const { bucket, database, prefix, signal } = gathering;
  const grants = new PlannedGrants();
  let docsRefused = 0;
  const refused: PlanReport['refused'] = [];
  for await (const step of readFindings(bucket, database, prefix)) {
    grants.add(step.grants);
    docsRefused += step.refusedCount;
    for (const each of step.refused.slice(0, REFUSED_MAX - refused.length))
      refused.push({ collection: step.collection, ...each });
    await nextTurn();
    if (signal.aborted) return undefined;
  }
  const samples = new Samples();
  const holders = new Holders(samples);
  const leftOut = await takeIn(holders, grants, gathering);
  const moves = new ChannelMoves(samples);
  const sums = new GroupSums((step, group) => {
    moves.count(step.collection, group);
    holders.count({ name: step.collection, id: step.collectionId }, group);
  });
  for await (const step of readFindings(bucket, database, prefix)) {
    await sums.add(step);
    await nextTurn();
    if (signal.aborted) return undefined;
  }
  await sums.flush();
  const estimatedSeconds = Math.ceil(
    (gathering.tookMs + gathering.counts.changed * CHANGE_MS) / 1000,
  );
  return planReport({ docsRefused, refused, moves, holders, leftOut, estimatedSeconds });
}

/** All users and roles, as far as there is place for them; what there was none for is told. */
async function takeIn(
  holders: Holders,
  grants: PlannedGrants,
  { bucket, database, collections: planned }: Gathering,
): Promise<readonly string[]> {
  let last: string | undefined;
  for await (const { principal, access } of plannedAccess({ bucket, database, planned, grants })) {
    if (!holders.add(principal, access)) return [after(last)];
    last = principal;
  }
  return grants.isCut ? [after(last)] : [];
}

const after = (last: string | undefined): string =>
  `all users ${last === undefined ? '' : `after ${last} `}in the order of their names: ` +
  'there are too many, or they hold too many channels';

type NamesOfStep = Pick<StepFindings, 'collection' | 'collectionId'>;
type CountGroup = (step: NamesOfStep, group: DocumentGroup) => void;

/** Adds up equal groups of all steps, a bounded number at a time, before they are counted. */
class GroupSums {
  readonly #count: CountGroup;
  readonly #sums = new Map<string, { readonly step: NamesOfStep; group: DocumentGroup }>();

  constructor(count: CountGroup) {
    this.#count = count;
  }

  async add(step: StepFindings): Promise<void> {
    for (const group of step.groups) {
      const key = JSON.stringify([step.collectionId, group.before, group.after]);
      const known = this.#sums.get(key);
      if (known === undefined) this.#sums.set(key, { step: namesOf(step), group });
      else known.group = sumOf(known.group, group);
    }
    if (this.#sums.size >= GROUPS_MAX) await this.flush();
  }

  async flush(): Promise<void> {
    let at = 0;
    for (const { step, group } of this.#sums.values()) {
      this.#count(step, group);
      if (++at % GROUPS_A_TURN === 0) await nextTurn();
    }
    this.#sums.clear();
  }
}

/** Some milliseconds' work. */
const GROUPS_A_TURN = 50;

/** Not the rest of the step, which is long. */
function namesOf({ collection, collectionId }: StepFindings): NamesOfStep {
  return { collection, collectionId };
}

function sumOf(a: DocumentGroup, b: DocumentGroup): DocumentGroup {
  const ids = a.ids.length >= SAMPLES_MAX ? a.ids : [...a.ids, ...b.ids].slice(0, SAMPLES_MAX);
  return { ...a, count: a.count + b.count, ids };
}
