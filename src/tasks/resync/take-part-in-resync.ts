import type { CollectionContext } from '../../database/collection-context.ts';
import { functionResynced } from '../../database/function-history.ts';
import type { OpenBucket } from '../../database/open-buckets.ts';
import type { Observer } from '../../observability/events.ts';
import { must } from '../../util/assert.ts';
import type { Clock } from '../../util/clock.ts';
import { GatewayError } from '../../util/errors.ts';
import { takePart } from '../running-task.ts';
import { GENTLE, QUICK } from '../task-pace.ts';
import type { StoredTask, TaskStore } from '../task-store.ts';
import type { ResyncAsked } from './resync-request.ts';
import { resyncAskedSchema } from './resync-request.ts';
import { regeneratePrincipals } from './regenerate-principals.ts';
import { ResyncWork } from './resync-work.ts';

/** A resync as this process works on it. */
export interface ResyncParticipation {
  readonly store: TaskStore;
  readonly openBucket: OpenBucket;
  /** By `scope.collection`. */
  readonly contexts: ReadonlyMap<string, CollectionContext>;
  readonly observer: Observer;
  readonly clock: Clock;
  /** As in `RunningTask`. */
  readonly signal: AbortSignal;
  readonly inTrouble: (reason: string | undefined) => void;
}

/** Works on a running resync until it has ended, or this process must leave it. */
export async function takePartInResync(
  task: StoredTask,
  participation: ResyncParticipation,
): Promise<void> {
  const { state } = task;
  const { store, openBucket, contexts, observer, signal, clock } = participation;
  const asked = resyncAskedSchema.parse(state.asked);
  const work = new ResyncWork(contexts, { always: asked.regenerateSequences });
  const log = observer.log.with({ key: 'CRUD' });
  log.info?.('takes part in a resync', { run: state.run, targeted: state.targeted });
  await takePart({
    store,
    task,
    work,
    member: openBucket.member,
    clock,
    log,
    signal,
    pace: asked.online ? GENTLE : QUICK,
    inTrouble: participation.inTrouble,
    begin: () => requireSameFunctions(asked, contexts),
    finish: async () => {
      if (asked.regenerateSequences) await regenerateUsers(task, participation);
      await noteResynced(asked, participation);
      return 'done';
    },
  });
  log.info?.('takes part in a resync no more', { run: state.run });
}

/** With new sequences for documents go such for users and roles. */
async function regenerateUsers(
  { state: { run }, cas }: StoredTask,
  { store, openBucket, contexts, signal }: ResyncParticipation,
): Promise<void> {
  const [context] = contexts.values();
  if (context === undefined) return;
  const ifRecord = { record: store.record, cas };
  const of = { database: context.database, run, ifRecord };
  await regeneratePrincipals(openBucket.bucket, of, signal);
}

/** Throws `conflict` where the database is configured otherwise than when the run began. */
function requireSameFunctions(asked: ResyncAsked, contexts: ResyncParticipation['contexts']): void {
  for (const [name, cas] of Object.entries(asked.functions))
    if (contexts.get(name)?.syncFunction.now.cas !== cas)
      throw new GatewayError(
        'conflict',
        `the sync function of ${name} was changed after the resync began; start it again`,
      );
}

async function noteResynced(
  { collections }: ResyncAsked,
  { openBucket, contexts }: ResyncParticipation,
): Promise<void> {
  for (const name of collections) {
    const context = must(contexts.get(name), 'the collections are of the database');
    const { record, cas } = context.syncFunction.now;
    await functionResynced(openBucket.bucket, record, cas);
  }
}
