import { z } from 'zod';
import { scopeOf } from '../../config/scopes.ts';
import type { Database } from '../../database/database.ts';
import type { DatabaseImport } from '../../import/database-import.ts';
import { importStatus } from '../../import/import-status.ts';
import { REJECTED_ROWS_MAX, rejectedPage } from '../../import/rejected-documents.ts';
import { GatewayError } from '../../util/errors.ts';
import { json } from '../answer.ts';
import { noBody } from '../body.ts';
import { jsonContent } from '../content.ts';
import { splitKeyspace } from '../path-parameters.ts';
import { given, wholeNumber } from '../query.ts';
import type { RestServices } from '../rest-services.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';

const ROWS_DEFAULT = 100;

export const getImport = route({
  method: 'GET',
  path: '/{db}/_import',
  about:
    'Where the import of what applications write into the bucket stands: what waits, what was not ' +
    'taken in, which node does which part.',
  access: 'admin',
  query: noQuery,
  body: noBody,
  answers: { 200: jsonContent(importStatus) },
  handle: async ({ database, services }) => json(200, await importOf(database, services).status()),
});

export const getImportRejected = route({
  method: 'GET',
  path: '/{keyspace}/_import/rejected',
  about:
    'Documents that applications wrote and that are not taken in, each with the reason; of a ' +
    'database alone: of all its collections.',
  access: 'admin',
  whileOffline: true,
  ofAll: true,
  query: z.object({ after: given, limit: wholeNumber(1) }),
  body: noBody,
  answers: { 200: jsonContent(rejectedPage) },
  refuses: ['badRequest', 'missing'],
  handle: async ({ database, params, query, services }) => {
    const { rest } = splitKeyspace(params.keyspace);
    const page = await importOf(database, services).rejected({
      collection: rest === undefined ? undefined : fullName(database, rest),
      after: query.after,
      limit: Math.min(query.limit ?? ROWS_DEFAULT, REJECTED_ROWS_MAX),
    });
    return json(200, page);
  },
});

function importOf({ name }: Database, { imports }: RestServices): DatabaseImport {
  const found = imports.of(name);
  if (found === undefined) throw new GatewayError('unavailable', `${name} does not serve now`);
  return found;
}

function fullName({ config }: Database, keyspace: string): string {
  return keyspace.includes('.') ? keyspace : `${scopeOf(config)}.${keyspace}`;
}
