import { functionResynced } from '../../database/function-history.ts';
import type { ResyncOpening } from '../../database/resync-opening.ts';
import { must } from '../../util/assert.ts';
import type { Clock } from '../../util/clock.ts';
import { GatewayError } from '../../util/errors.ts';
import { beginTask } from '../begin-task.ts';
import { takePart } from '../running-task.ts';
import type { StoredTask, TaskStore } from '../task-store.ts';
import type { ResyncAsked, ResyncRequest } from './resync-request.ts';
import { askedOf, collectionsAsked, resyncAskedSchema } from './resync-request.ts';
import { ResyncWork } from './resync-work.ts';

/**
 * Begins a run, or goes on with one that ended early and was of the same functions: by another
 * function all documents have to be looked at. Throws `unavailable` where one is running.
 */
export async function beginResync(
  store: TaskStore,
  { config, contexts, createdAt }: ResyncOpening,
  { request, nowMs }: { readonly request: ResyncRequest; readonly nowMs: number },
): Promise<StoredTask> {
  const names = collectionsAsked(config, request);
  const asked = askedOf(names, contexts, request);
  return beginTask(store, {
    databaseCreatedAt: createdAt,
    asked,
    collections: new Map(names.map((name) => [name, contextOf(contexts, name).id])),
    goesOn: (before) => !request.reset && JSON.stringify(before.asked) === JSON.stringify(asked),
    nowMs,
  });
}

/** Works on a running resync until it has ended, or this process must leave it. */
export async function takePartInResync(
  { state }: StoredTask,
  parts: {
    readonly opened: ResyncOpening;
    readonly store: TaskStore;
    readonly clock: Clock;
    readonly inTrouble: (reason: string | undefined) => void;
  },
): Promise<void> {
  const { opened, store, clock, inTrouble } = parts;
  const { contexts, observer, signal, createdAt } = opened;
  const asked = resyncAskedSchema.parse(state.asked);
  const work = new ResyncWork(contexts, { always: asked.regenerateSequences });
  const log = observer.log.with({ key: 'CRUD' });
  log.info?.('takes part in a resync', { run: state.run, targeted: state.targeted });
  await takePart({
    store,
    work,
    member: opened.openBucket.member,
    databaseCreatedAt: createdAt,
    clock,
    log,
    signal,
    inTrouble,
    begin: () => requireSameFunctions(asked, contexts),
    finish: () => noteResynced(asked, opened),
  });
  log.info?.('takes part in a resync no more', { run: state.run });
}

/** Throws `conflict` where the database is configured otherwise than when the run began. */
function requireSameFunctions(asked: ResyncAsked, contexts: ResyncOpening['contexts']): void {
  for (const [name, cas] of Object.entries(asked.functions))
    if (contexts.get(name)?.syncFunction.now.cas !== cas)
      throw new GatewayError(
        'conflict',
        `the sync function of ${name} was changed after the resync began; start it again`,
      );
}

async function noteResynced(
  { collections }: ResyncAsked,
  { openBucket, contexts }: ResyncOpening,
): Promise<void> {
  for (const name of collections) {
    const { record, cas } = contextOf(contexts, name).syncFunction.now;
    await functionResynced(openBucket.bucket, record, cas);
  }
}

function contextOf(
  contexts: ResyncOpening['contexts'],
  name: string,
): NonNullable<ReturnType<ResyncOpening['contexts']['get']>> {
  return must(contexts.get(name), 'the collections are of the database');
}
