import { z } from 'zod';
import { DATABASE_OPTIONS } from '../../config/database-options.ts';
import { optionSchema } from '../../config/option-schema.ts';
import { GatewayError } from '../../util/errors.ts';
import { empty, json } from '../answer.ts';
import { jsonBody, noBody } from '../body.ts';
import { lenientFlag } from '../query.ts';
import { withFunctions } from '../inline-functions.ts';
import { route } from '../route.ts';
import { stateAnswer } from '../state-answer.ts';
import { configPayload } from '../config-payload.ts';
import { noQuery } from './no-query.ts';
import { databaseState } from '../answer-schemas.ts';
import { jsonContent, NO_CONTENT } from '../content.ts';

const status = databaseState.extend({
  db_name: z.string(),
  update_seq: z.int(),
  committed_update_seq: z.int(),
  instance_start_time: z.int(),
  compact_running: z.boolean(),
  purge_seq: z.int(),
  disk_format_version: z.int(),
  import: z
    .object({ partitions: z.int(), backlog: z.int(), lag_secs: z.int() })
    .optional()
    .meta({ description: 'Of this node, with `verbose=true`, for administrators.' }),
});

export const getDatabase = route({
  method: 'GET',
  path: '/{db}/',
  about:
    'The state of a database and where its history stands; `verbose=true`: since when it is in ' +
    'that state, why, and whether its changes are followed.',
  access: 'reader',
  whileOffline: true,
  query: z.object({ verbose: lenientFlag }),
  body: noBody,
  answers: { 200: jsonContent(status) },
  handle: async ({ database, query, port, services }) => {
    const { updateSequence, startedMs, lag } = await database.status();
    const served = services.registry.served(database.name);
    const requireResync = await served.requireResync();
    return json(200, {
      db_name: database.name,
      update_seq: updateSequence,
      committed_update_seq: updateSequence,
      instance_start_time: startedMs * 1000,
      compact_running: services.tasks.compactions.isRunning(database.name),
      purge_seq: 0,
      disk_format_version: 0,
      ...stateAnswer(served, { port, lag, requireResync, ...query }),
      ...(port === 'admin' && query.verbose === true
        ? { import: services.imports.of(database.name)?.summary }
        : {}),
    });
  },
  audit: () => [{ event: 'readDatabase' }],
});

export const putDatabase = route({
  method: 'PUT',
  path: '/{newdb}/',
  about: 'Creates a database from the configuration in the body.',
  access: 'admin',
  query: noQuery,
  body: jsonBody(z.unknown(), () => optionSchema(DATABASE_OPTIONS)),
  answers: { 201: NO_CONTENT },
  refuses: ['databaseExists', 'conflict', 'forbidden', 'missing'],
  handle: async ({ params, body, services }) => {
    await services.registry.create(params.newdb, await withFunctions(body, services));
    return empty(201);
  },
  audit: ({ params, body }) => [
    { event: 'createDatabase', fields: { payload: configPayload(body) }, database: params.newdb },
  ],
});

export const putDatabaseInPublic = route({
  method: 'PUT',
  path: '/{newdb}/',
  about: 'For CouchDB clients, which create what they replicate to: tells whether it is there.',
  access: 'public',
  query: noQuery,
  body: noBody,
  answers: {},
  refuses: ['databaseExists', 'forbidden'],
  handle: ({ params, services }) => {
    if (services.registry.get(params.newdb) !== undefined)
      throw new GatewayError('databaseExists', 'the database exists');
    throw new GatewayError('forbidden', 'databases are created on the admin port');
  },
});

export const deleteDatabase = route({
  method: 'DELETE',
  path: '/{db}/',
  about: 'Forgets a database; its documents stay in the bucket.',
  access: 'admin',
  whileOffline: true,
  query: noQuery,
  body: noBody,
  answers: { 200: jsonContent(z.object({})) },
  handle: async ({ database, services }) => {
    await services.registry.delete(database.name);
    return json(200, {});
  },
  audit: () => [{ event: 'deleteDatabase' }],
});
