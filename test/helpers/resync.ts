import assert from 'node:assert/strict';
import type { TestDatabase } from './database.ts';
import { request } from './http.ts';
import { until } from './until.ts';

/** What `GET /{db}/_resync?verbose=true` tells. */
export interface ResyncStatus {
  readonly status: 'running' | 'stopping' | 'stopped' | 'completed' | 'error';
  readonly last_error: string;
  readonly resync_id: string;
  readonly docs_changed: number;
  readonly docs_processed: number;
  readonly docs_errored: number;
  readonly docs_targeted: number;
  readonly docs_routed_by_older_functions: number;
  readonly docs_per_second?: number;
  readonly seconds_left?: number;
  readonly errors: readonly { readonly id: string; readonly message: string }[];
  readonly nodes: readonly string[];
  /** Where it runs beside requests. */
  readonly online?: true;
}

export async function resyncStatus({ admin }: Pick<TestDatabase, 'admin'>): Promise<ResyncStatus> {
  const answer = await request('GET', `${admin}/_resync?verbose=true`);
  assert.equal(answer.status, 200, answer.text);
  return answer.json as unknown as ResyncStatus;
}

/** Takes it offline and gives it another sync function. */
export async function changeFunction(
  { admin }: Pick<TestDatabase, 'admin'>,
  source: string,
): Promise<void> {
  assert.equal((await request('POST', `${admin}/_offline`)).status, 200);
  const put = await request('PUT', `${admin}/_config/sync`, {
    body: source,
    headers: { 'content-type': 'application/javascript' },
  });
  assert.equal(put.status, 200, put.text);
}

export async function startResync(
  { admin }: Pick<TestDatabase, 'admin'>,
  query = '',
): Promise<void> {
  const started = await request('POST', `${admin}/_resync?action=start${query}`);
  assert.equal(started.status, 200, started.text);
}

/** Resolves when it has ended, however. */
export async function resyncEnd(
  database: Pick<TestDatabase, 'admin'>,
  withinMs = 20_000,
): Promise<ResyncStatus> {
  return until(
    'the resync has ended',
    async () => {
      const status = await resyncStatus(database);
      return status.status === 'running' || status.status === 'stopping' ? undefined : status;
    },
    { withinMs },
  );
}

export async function bringOnline({ admin }: Pick<TestDatabase, 'admin'>): Promise<void> {
  const online = await request('POST', `${admin}/_online`);
  assert.equal(online.status, 200, online.text);
}

/** The whole procedure: offline, the function, resync, online. */
export async function resyncWith(
  database: Pick<TestDatabase, 'admin'>,
  source: string,
): Promise<ResyncStatus> {
  await changeFunction(database, source);
  await startResync(database);
  const end = await resyncEnd(database);
  await bringOnline(database);
  return end;
}
