import { z } from 'zod';
import type { Database } from '../../database/database.ts';
import type { SyncDryRun, TriedDocument } from '../../database/dry-run.ts';
import { formatExpiry } from '../../document/expiry.ts';
import type { Reader } from '../../principals/access.ts';
import { GUEST } from '../../principals/principal-name.ts';
import { GatewayError } from '../../util/errors.ts';
import { json } from '../answer.ts';
import { jsonBody } from '../body.ts';
import { jsonContent } from '../content.ts';
import { statusOf } from '../error-map.ts';
import { splitKeyspace } from '../path-parameters.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';

const document = z.record(z.string(), z.unknown());

/** The document that a function is tried on. */
const tried = {
  doc: document.optional(),
  doc_id: z.string().optional(),
  old_doc: document.nullish(),
  meta: document.optional(),
};

const syncRequest = z.strictObject({
  ...tried,
  user: z.string().optional(),
  sync: z.string().optional(),
});

const filterRequest = z.strictObject({ ...tried, import_filter: z.string().optional() });

const run = z.object({
  id: z.string(),
  rev: z.string(),
  exception: z
    .object({
      status: z.int(),
      message: z.string(),
      line: z.int().optional(),
      column: z.int().optional(),
    })
    .optional(),
  log: z.array(z.object({ level: z.string(), text: z.string() })),
  elapsed_ms: z.number(),
});

const names = z.record(z.string(), z.array(z.string()));

const syncAnswer = run.extend({
  channels: z.array(z.string()),
  access: names,
  roles: names,
  expiry: z.string().optional(),
  rejection: z.object({ status: z.int(), reason: z.string() }).optional(),
});

export const postSyncFunctionDryRun = route({
  method: 'POST',
  path: '/{keyspace}/_sync_function/dry_run',
  about:
    'What a sync function (`sync`, or the one that rules) says of a document (`doc`, or the ' +
    'stored `doc_id`) when `user`, or an administrator, writes it. Changes nothing.',
  access: 'admin',
  query: noQuery,
  body: jsonBody(syncRequest),
  answers: { 200: jsonContent(syncAnswer) },
  handle: async ({ database, collection, body }) => {
    const writer: Reader =
      body.user === undefined ? { kind: 'admin' } : await writerOf(database, body.user);
    const request = { ...documentIn(body), writer, source: body.sync };
    const { rejection, expiry, ...told } = await collection.tools.dryRunSyncFunction(request);
    return json(200, {
      ...answerOf(told),
      channels: told.channels,
      access: told.access,
      roles: told.roles,
      ...(expiry === undefined || expiry === 0 ? {} : { expiry: formatExpiry(expiry) }),
      ...(rejection === undefined
        ? {}
        : { rejection: { status: statusOf(rejection.kind), reason: rejection.reason } }),
    });
  },
});

export const postImportFilterDryRun = route({
  method: 'POST',
  path: '/{keyspace}/_import_filter/dry_run',
  about:
    'Whether an import filter (`import_filter`, or the configured one) takes a document (`doc`, ' +
    'or the stored `doc_id`). Changes nothing.',
  access: 'admin',
  query: noQuery,
  body: jsonBody(filterRequest),
  answers: { 200: jsonContent(run.extend({ accepts: z.boolean() })) },
  handle: async ({ database, collection, params, body }) => {
    const { rest } = splitKeyspace(params.keyspace);
    const source = body.import_filter ?? database.collectionConfig(rest).importFilter;
    if (source === '')
      throw new GatewayError('badRequest', 'no import_filter is configured, and none is given');
    const told = await collection.tools.dryRunFilter({ ...documentIn(body), source });
    return json(200, { ...answerOf(told), accepts: told.accepts });
  },
});

/** Throws `missing`; `badRequest` for one whose writes no function is asked about. */
async function writerOf({ principals }: Database, name: string): Promise<Reader> {
  const account = await principals.account(name === GUEST ? '' : name);
  if (account === undefined) throw new GatewayError('missing', `there is no user ${name}`);
  if (account.record.disabled)
    throw new GatewayError('badRequest', `the user ${name} is disabled: it may not write at all`);
  return { kind: 'user', access: account.access };
}

function documentIn(body: {
  readonly doc?: unknown;
  readonly doc_id?: string | undefined;
  readonly old_doc?: unknown;
  readonly meta?: unknown;
}): TriedDocument {
  const textOf = (value: unknown): string | undefined =>
    value === undefined ? undefined : JSON.stringify(value);
  return {
    doc: textOf(body.doc),
    docId: body.doc_id,
    oldDoc: body.old_doc === null ? null : textOf(body.old_doc),
    meta: textOf(body.meta),
  };
}

function answerOf({
  id,
  rev,
  exception,
  log,
  elapsedMs,
}: Pick<SyncDryRun, 'id' | 'rev' | 'exception' | 'log' | 'elapsedMs'>) {
  return {
    id,
    rev,
    ...(exception === undefined
      ? {}
      : { exception: { status: statusOf('functionFailed'), ...exception } }),
    log,
    elapsed_ms: elapsedMs,
  };
}
