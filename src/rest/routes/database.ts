import { z } from 'zod';
import { GatewayError } from '../../util/errors.ts';
import { empty, json } from '../answer.ts';
import { jsonBody, noBody } from '../body.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';

export const getDatabase = route({
  method: 'GET',
  path: '/{db}/',
  about: 'The state of a database and where its history stands.',
  access: 'reader',
  whileOffline: true,
  query: noQuery,
  body: noBody,
  handle: async ({ database }) => {
    const { updateSequence, startedMs } = await database.status();
    return json(200, {
      db_name: database.name,
      update_seq: updateSequence,
      committed_update_seq: updateSequence,
      instance_start_time: startedMs * 1000,
      compact_running: false,
      purge_seq: 0,
      disk_format_version: 0,
      state: database.state,
    });
  },
});

export const putDatabase = route({
  method: 'PUT',
  path: '/{newdb}/',
  about: 'Creates a database from the configuration in the body.',
  access: 'admin',
  query: noQuery,
  body: jsonBody(z.unknown()),
  handle: async ({ params, body, services }) => {
    await services.registry.create(params.newdb, body);
    return empty(201);
  },
});

export const putDatabaseInPublic = route({
  method: 'PUT',
  path: '/{newdb}/',
  about: 'For CouchDB clients, which create what they replicate to: tells whether it is there.',
  access: 'public',
  query: noQuery,
  body: noBody,
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
  handle: async ({ database, services }) => {
    await services.registry.delete(database.name);
    return json(200, {});
  },
});
