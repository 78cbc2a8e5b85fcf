import type { z } from 'zod';
import { BATCH_MAX } from '../bucket/bucket.ts';
import type { Bucket, RecordChange } from '../bucket/bucket.ts';
import type { RecordKey, StoredRecord } from '../bucket/records.ts';
import type { Cas } from '../document/types.ts';
import { GatewayError } from '../util/errors.ts';
import type { TaskCounts, TaskError, TaskPart, TaskState } from './task-state.ts';
import { addCounts, addErrors, taskPartSchema, taskStateSchema } from './task-state.ts';

const TASK = 'task';
const PART = 'task_part';
const NUMBER_DIGITS = 7;

export interface StoredTask {
  readonly state: TaskState;
  readonly cas: Cas;
}

export interface StoredPart {
  /** The name of its lease, too. */
  readonly id: string;
  readonly part: TaskPart;
  readonly cas: Cas;
}

/** A task with the counts of all its parts. */
export interface TaskTotals {
  readonly counts: TaskCounts;
  readonly errors: readonly TaskError[];
}

/** Where one task of one database stands, as all processes on the bucket see it. */
export class TaskStore {
  readonly bucket: Bucket;
  readonly record: RecordKey;

  constructor(bucket: Bucket, of: { readonly database: string; readonly task: string }) {
    this.bucket = bucket;
    this.record = { kind: TASK, database: of.database, id: of.task };
  }

  /** The ids of a run's parts begin with it. */
  prefix(run: string): string {
    return `${this.record.id}/${run}/`;
  }

  /** The names of a run's leases begin with it. */
  leases(run: string): string {
    return `task/${this.record.database}/${this.prefix(run)}`;
  }

  lease(partId: string): string {
    return `task/${this.record.database}/${partId}`;
  }

  /** Undefined where it never ran. Throws `corrupt` where the record is none. */
  async read(databaseCreatedAt: string): Promise<StoredTask | undefined> {
    const stored = await this.bucket.getRecord(this.record);
    if (stored === undefined) return undefined;
    const state = parse(taskStateSchema, stored);
    return state.databaseCreatedAt === databaseCreatedAt ? { state, cas: stored.cas } : undefined;
  }

  /** Of the record, whichever database's it is. */
  async version(): Promise<Cas | 'absent'> {
    return (await this.bucket.getRecord(this.record))?.cas ?? 'absent';
  }

  /** Undefined where another process changed it since it had that CAS. */
  async write(state: TaskState, ifCas: Cas | 'absent'): Promise<StoredTask | undefined> {
    const [result] = await this.bucket.commit([{ ...this.change(state), ifCas }]);
    return result?.ok === true ? { state, cas: result.cas } : undefined;
  }

  change(state: TaskState): RecordChange {
    return { kind: 'record', record: this.record, value: JSON.stringify(state), expiry: 0 };
  }

  partChange(id: string, part: TaskPart): RecordChange {
    const record = { kind: PART, database: this.record.database, id };
    return { kind: 'record', record, value: JSON.stringify(part), expiry: 0 };
  }

  async readPart(id: string): Promise<StoredPart | undefined> {
    const key = { kind: PART, database: this.record.database, id };
    const stored = await this.bucket.getRecord(key);
    return stored && { id, part: parse(taskPartSchema, stored), cas: stored.cas };
  }

  async addParts(run: string, from: number, parts: readonly TaskPart[]): Promise<void> {
    for (let at = 0; at < parts.length; at += BATCH_MAX) {
      const changes = parts.slice(at, at + BATCH_MAX).map((part, index) => {
        const number = String(from + at + index).padStart(NUMBER_DIGITS, '0');
        return this.partChange(`${this.prefix(run)}${number}`, part);
      });
      await this.bucket.commit(changes);
    }
  }

  /** All of a run, in their order. */
  async parts(run: string): Promise<readonly StoredPart[]> {
    return (await this.#list(this.prefix(run))).map((stored) => ({
      id: stored.key.id,
      part: parse(taskPartSchema, stored),
      cas: stored.cas,
    }));
  }

  /**
   * Removes the parts of all other runs, and of this one where it is completed. A process that was
   * paused meanwhile removes nothing of what has begun since.
   */
  async removeParts(task: StoredTask): Promise<void> {
    const { run, status } = task.state;
    const kept = status === 'completed' ? undefined : this.prefix(run);
    const all = await this.#list(`${this.record.id}/`);
    const gone = all.filter(({ key }) => kept === undefined || !key.id.startsWith(kept));
    await this.removeRecords(
      task,
      gone.map(({ key }) => key),
    );
  }

  /** As long as the task is as it is given. */
  async removeRecords({ cas }: StoredTask, records: readonly RecordKey[]): Promise<void> {
    const ifRecord = { record: this.record, cas };
    for (let at = 0; at < records.length; at += BATCH_MAX)
      await this.bucket.commit(
        records
          .slice(at, at + BATCH_MAX)
          .map((record) => ({ kind: 'record', record, ifRecord, value: null, expiry: 0 })),
      );
  }

  /** Those of a completed one stand in its own record. */
  async totals({ run, status, counts, errors }: TaskState): Promise<TaskTotals> {
    if (status === 'completed') return { counts, errors };
    const parts = await this.parts(run);
    return parts.reduce<TaskTotals>(
      (sum, { part }) => ({
        counts: addCounts(sum.counts, part.counts),
        errors: addErrors(sum.errors, part.errors),
      }),
      { counts, errors },
    );
  }

  async #list(prefix: string): Promise<readonly StoredRecord[]> {
    const found: StoredRecord[] = [];
    let after = prefix;
    for (;;) {
      const range = { kind: PART, database: this.record.database, after, limit: BATCH_MAX };
      const page = await this.bucket.listRecords(range);
      const own = page.filter(({ key }) => key.id.startsWith(prefix));
      found.push(...own);
      const last = own.at(-1);
      if (last === undefined || own.length < BATCH_MAX) return found;
      after = last.key.id;
    }
  }
}

function parse<T>(schema: z.ZodType<T>, stored: StoredRecord): T {
  const parsed = schema.safeParse(JSON.parse(stored.value));
  if (parsed.success) return parsed.data;
  throw new GatewayError('corrupt', `the record of the task ${stored.key.id} is unreadable`);
}
