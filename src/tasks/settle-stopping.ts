import type { ClusterMember } from '../cluster/cluster-member.ts';
import { GatewayError } from '../util/errors.ts';
import type { TaskStore } from './task-store.ts';

/** Asks a running task to stop, on whichever nodes it runs. Throws `badRequest` where none does. */
export async function askToStop(store: TaskStore, databaseCreatedAt: string): Promise<void> {
  for (;;) {
    const task = await store.read(databaseCreatedAt);
    if (task?.state.status === 'stopping') return;
    if (task?.state.status !== 'running')
      throw new GatewayError('badRequest', `nothing to stop: no ${store.record.id} is running`);
    if (await store.write({ ...task.state, status: 'stopping' }, task.cas)) return;
  }
}

/** A task that was asked to stop has stopped when no process works on it any more. */
export async function settleStopping(
  store: TaskStore,
  member: ClusterMember,
  databaseCreatedAt: string,
): Promise<void> {
  const task = await store.read(databaseCreatedAt);
  if (task?.state.status !== 'stopping') return;
  if (await member.isHeld(store.leases(task.state.run))) return;
  await store.write({ ...task.state, status: 'stopped' }, task.cas);
}
