import assert from 'node:assert/strict';
import type { TestDatabase } from './database.ts';
import { request } from './http.ts';
import { until } from './until.ts';

interface Sample {
  readonly collection: string;
  readonly id: string;
}

interface PlannedDifference {
  readonly name: string;
  readonly docs_gained: number;
  readonly docs_lost: number;
  readonly gained: readonly Sample[];
  readonly lost: readonly Sample[];
}

/** What `GET /{db}/_resync?action=plan` tells. */
export interface PlanStatus {
  readonly status: 'running' | 'stopping' | 'stopped' | 'completed' | 'error';
  readonly last_error: string;
  readonly plan_id: string;
  readonly docs_targeted: number;
  readonly docs_processed: number;
  readonly docs_changed: number;
  readonly docs_errored: number;
  readonly errors: readonly { readonly id: string; readonly message: string }[];
  readonly report?: {
    readonly docs_refused: number;
    readonly refused: readonly { readonly id: string; readonly reason: string }[];
    readonly channels: readonly {
      readonly collection: string;
      readonly channel: string;
      readonly docs_entering: number;
      readonly docs_leaving: number;
      readonly entering: readonly Sample[];
      readonly leaving: readonly Sample[];
    }[];
    readonly users: readonly PlannedDifference[];
    readonly roles: readonly PlannedDifference[];
    readonly estimated_seconds: number;
    readonly left_out: readonly string[];
  };
}

export async function planStatus({ admin }: Pick<TestDatabase, 'admin'>): Promise<PlanStatus> {
  const answer = await request('GET', `${admin}/_resync?action=plan`);
  assert.equal(answer.status, 200, answer.text);
  return answer.json as unknown as PlanStatus;
}

export async function startPlan(
  { admin }: Pick<TestDatabase, 'admin'>,
  body: object = {},
): Promise<void> {
  const started = await request('POST', `${admin}/_resync?action=plan`, { json: body });
  assert.equal(started.status, 200, started.text);
}

/** Resolves when it has ended, however. */
export async function planEnd(
  database: Pick<TestDatabase, 'admin'>,
  withinMs = 20_000,
): Promise<PlanStatus> {
  return until(
    'the plan has ended',
    async () => {
      const status = await planStatus(database);
      return status.status === 'running' || status.status === 'stopping' ? undefined : status;
    },
    { withinMs },
  );
}

/** The whole of it, and what it found. */
export async function planWith(
  database: Pick<TestDatabase, 'admin'>,
  body: object,
  withinMs?: number,
): Promise<PlanStatus & Required<Pick<PlanStatus, 'report'>>> {
  await startPlan(database, body);
  const { report, ...status } = await planEnd(database, withinMs);
  assert.equal(status.status, 'completed', status.last_error);
  assert(report !== undefined);
  return { ...status, report };
}
