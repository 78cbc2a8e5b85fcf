import { z } from 'zod';
import type { Bucket } from '../../bucket/bucket.ts';
import type { RecordKey } from '../../bucket/records.ts';
import type { HeldLease } from '../../cluster/held-lease.ts';
import { GatewayError } from '../../util/errors.ts';
import type { StoredTask, TaskStore } from '../task-store.ts';
import type { PlanReport } from './plan-report.ts';
import { planReportSchema } from './plan-report.ts';

const schema = z.object({ run: z.string(), report: planReportSchema });

const key = (database: string): RecordKey => ({ kind: 'resync_plan', database, id: 'report' });

/** Keeps the report of a run; false where that runs no more, or the lease holds no more. */
export async function storeReport(
  store: TaskStore,
  { state, cas }: StoredTask,
  { report, held }: { readonly report: PlanReport; readonly held: HeldLease },
): Promise<boolean> {
  const [result] = await store.bucket.commit([
    {
      kind: 'record',
      record: key(store.record.database),
      ifRecord: { record: store.record, cas },
      lease: held.lease,
      value: JSON.stringify({ run: state.run, report }),
      expiry: 0,
    },
  ]);
  return result?.ok === true;
}

/** Undefined where that run has none. Throws `corrupt`. */
export async function readReport(
  bucket: Bucket,
  database: string,
  run: string,
): Promise<PlanReport | undefined> {
  const stored = await bucket.getRecord(key(database));
  if (stored === undefined) return undefined;
  const parsed = schema.safeParse(JSON.parse(stored.value));
  if (!parsed.success)
    throw new GatewayError('corrupt', 'the record of the plan’s report is unreadable');
  return parsed.data.run === run ? parsed.data.report : undefined;
}
