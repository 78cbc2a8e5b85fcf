import { z } from 'zod';

/** `stopping`: asked to, and some process still works on it. */
export type TaskStatus = 'running' | 'stopping' | 'stopped' | 'completed' | 'error';

/** How many documents a task looked at, changed, and could not change. */
export interface TaskCounts {
  readonly processed: number;
  readonly changed: number;
  readonly errored: number;
}

/** A document that a task could not deal with. */
export interface TaskError {
  readonly collection: string;
  readonly id: string;
  readonly message: string;
}

/** What is kept of a task in the bucket, beside its parts. */
export interface TaskState {
  /** Another one for each run; a stopped run that goes on keeps it. */
  readonly run: string;
  /** When the database was created that it is a task of. */
  readonly databaseCreatedAt: string;
  readonly status: TaskStatus;
  /** ISO time. */
  readonly startTime: string;
  /** When it last began to run, ms since 1970, and what was done by then: for its rate. */
  readonly goingSince: { readonly ms: number; readonly processed: number };
  /** `` where there is none. */
  readonly lastError: string;
  /** What it was asked to do: the task's own. */
  readonly asked: unknown;
  /** How many documents there were to be looked at. */
  readonly targeted: number;
  /** Of parts that are gone: all of them when it is completed. */
  readonly counts: TaskCounts;
  readonly errors: readonly TaskError[];
}

/** A range of keys of one collection, and how far it is done. */
export interface TaskPart {
  /** The full name. */
  readonly collection: string;
  /** The last key that is done; at first the key before the range, `` for none. */
  readonly cursor: string;
  /** The last key of the range. */
  readonly upTo: string;
  readonly done: boolean;
  readonly counts: TaskCounts;
  readonly errors: readonly TaskError[];
}

/** The documents of a task that are named of those that it could not deal with. */
const ERRORS_NAMED_MAX = 100;
const MESSAGE_CHARS_MAX = 500;

export const NO_COUNTS: TaskCounts = { processed: 0, changed: 0, errored: 0 };

const counts = z.object({ processed: z.number(), changed: z.number(), errored: z.number() });
const errors = z.array(z.object({ collection: z.string(), id: z.string(), message: z.string() }));

export const taskStateSchema = z.object({
  run: z.string(),
  databaseCreatedAt: z.string(),
  status: z.enum(['running', 'stopping', 'stopped', 'completed', 'error']),
  startTime: z.string(),
  goingSince: z.object({ ms: z.number(), processed: z.number() }),
  lastError: z.string(),
  asked: z.unknown(),
  targeted: z.number(),
  counts,
  errors,
}) satisfies z.ZodType<TaskState>;

export const taskPartSchema = z.object({
  collection: z.string(),
  cursor: z.string(),
  upTo: z.string(),
  done: z.boolean(),
  counts,
  errors,
}) satisfies z.ZodType<TaskPart>;

export function addCounts(a: TaskCounts, b: TaskCounts): TaskCounts {
  return {
    processed: a.processed + b.processed,
    changed: a.changed + b.changed,
    errored: a.errored + b.errored,
  };
}

/** The first of both, each with a message that is not too long. */
export function addErrors(
  known: readonly TaskError[],
  more: readonly TaskError[],
): readonly TaskError[] {
  if (more.length === 0 || known.length >= ERRORS_NAMED_MAX) return known;
  const cut = more.map((error) => ({
    ...error,
    message: error.message.slice(0, MESSAGE_CHARS_MAX),
  }));
  return [...known, ...cut].slice(0, ERRORS_NAMED_MAX);
}
