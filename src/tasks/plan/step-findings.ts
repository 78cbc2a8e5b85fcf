import { z } from 'zod';
import type {
  Bucket,
  CollectionId,
  Grant,
  PrincipalKey,
  RecordChange,
} from '../../bucket/bucket.ts';
import { BATCH_MAX } from '../../bucket/bucket.ts';
import type { RecordKey } from '../../bucket/records.ts';
import { GatewayError } from '../../util/errors.ts';
import type { StoredTask, TaskStore } from '../task-store.ts';

/** Documents that are in the same channels now, and would be in the same by the new function. */
export interface DocumentGroup {
  /** Both sorted. */
  readonly before: readonly string[];
  readonly after: readonly string[];
  /** How many; tombstones are not counted. */
  readonly count: number;
  /** The first few. */
  readonly ids: readonly string[];
}

/** A document that the new function refuses. */
export interface Refusal {
  readonly id: string;
  readonly reason: string;
}

/** What one step of a plan found out. */
export interface StepFindings {
  /** The full name. */
  readonly collection: string;
  readonly collectionId: CollectionId;
  readonly groups: readonly DocumentGroup[];
  /** All that its documents would grant, each once. */
  readonly grants: readonly Grant[];
  readonly refusedCount: number;
  /** The first of them. */
  readonly refused: readonly Refusal[];
}

const KIND = 'resync_plan_step';
const NUMBER_DIGITS = 9;

const schema = z.object({
  collection: z.string(),
  collectionId: z.number().transform((id) => id as CollectionId),
  groups: z.array(
    z.object({
      before: z.array(z.string()),
      after: z.array(z.string()),
      count: z.number(),
      ids: z.array(z.string()),
    }),
  ),
  grants: z.array(
    z.object({
      principal: z.string().transform((key) => key as PrincipalKey),
      kind: z.enum(['channel', 'role', 'exists']),
      collection: z.number().transform((id) => id as CollectionId),
      target: z.string(),
    }),
  ),
  refusedCount: z.number(),
  refused: z.array(z.object({ id: z.string(), reason: z.string() })),
});

/** For a step that begins after `processed` documents of a part: it is committed with them. */
export function findingsChange(
  database: string,
  step: { readonly partId: string; readonly processed: number },
  findings: StepFindings,
): RecordChange {
  const id = `${step.partId}/${String(step.processed).padStart(NUMBER_DIGITS, '0')}`;
  const record = { kind: KIND, database, id };
  return { kind: 'record', record, value: JSON.stringify(findings), expiry: 0 };
}

/** Those whose names begin so, in the order of their parts. Throws `corrupt`. */
export async function* readFindings(
  bucket: Bucket,
  database: string,
  prefix: string,
): AsyncGenerator<StepFindings> {
  for await (const { key, value } of list(bucket, database, prefix)) {
    const parsed = schema.safeParse(JSON.parse(value));
    if (!parsed.success)
      throw new GatewayError('corrupt', `the record of the plan's step ${key.id} is unreadable`);
    yield parsed.data;
  }
}

/**
 * Forgets what other plans of the database found, and this one where it is completed; as
 * `TaskStore.removeParts`.
 */
export async function removeFindings(
  store: TaskStore,
  database: string,
  task: StoredTask,
): Promise<void> {
  const { run, status } = task.state;
  const kept = status === 'completed' ? undefined : store.prefix(run);
  let gone: RecordKey[] = [];
  for await (const { key } of list(store.bucket, database, '')) {
    if (kept !== undefined && key.id.startsWith(kept)) continue;
    gone.push(key);
    if (gone.length < BATCH_MAX) continue;
    await store.removeRecords(task, gone);
    gone = [];
  }
  await store.removeRecords(task, gone);
}

/** Records are long: few are in memory at a time. */
const PAGE_RECORDS = 10;

async function* list(
  bucket: Bucket,
  database: string,
  prefix: string,
): AsyncGenerator<{ readonly key: RecordKey; readonly value: string }> {
  let after = prefix;
  for (;;) {
    const range = { kind: KIND, database, after, limit: PAGE_RECORDS };
    const page = await bucket.listRecords(range);
    for (const stored of page) {
      if (!stored.key.id.startsWith(prefix)) return;
      yield stored;
    }
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE_RECORDS) return;
    after = last.key.id;
  }
}
