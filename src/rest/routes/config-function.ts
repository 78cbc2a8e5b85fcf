import type { IncomingHttpHeaders } from 'node:http';
import type { CollectionConfig } from '../../config/scopes.ts';
import { setFunction } from '../../database/config-change.ts';
import type { Database } from '../../database/database.ts';
import type { Answer } from '../answer.ts';
import { empty } from '../answer.ts';
import { noBody, textBody } from '../body.ts';
import { changeConfiguration } from '../change-configuration.ts';
import { configUpdated } from '../config-payload.ts';
import { etagOf } from '../if-match.ts';
import { splitKeyspace } from '../path-parameters.ts';
import type { RestServices } from '../rest-services.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';
import { NO_CONTENT } from '../content.ts';

/** The functions of a collection, each as the text that it is. */

type FunctionName = 'sync' | 'import_filter';

const JAVASCRIPT = 'application/javascript';
const source = textBody([JAVASCRIPT, 'text/javascript', 'application/x-javascript']);
const common = { access: 'admin', whileOffline: true, query: noQuery } as const;

export const getSyncFunction = route({
  method: 'GET',
  path: '/{keyspace}/_config/sync',
  about: 'The sync function of a collection; empty where it has the default one.',
  ...common,
  body: noBody,
  answers: { 200: { [JAVASCRIPT]: null } },
  handle: (handling) => show(handling, 'sync'),
  audit: () => [{ event: 'readDatabaseConfig' }],
});

export const putSyncFunction = route({
  method: 'PUT',
  path: '/{keyspace}/_config/sync',
  about: 'Sets the sync function of a collection: it judges the writes from now on.',
  ...common,
  body: source,
  answers: { 200: NO_CONTENT },
  refuses: ['preconditionFailed'],
  handle: (handling) => change(handling, 'sync', handling.body),
  audit: ({ body }) => configUpdated({ sync: body }),
});

export const deleteSyncFunction = route({
  method: 'DELETE',
  path: '/{keyspace}/_config/sync',
  about: 'Gives a collection the default sync function.',
  ...common,
  body: noBody,
  answers: { 200: NO_CONTENT },
  refuses: ['preconditionFailed'],
  handle: (handling) => change(handling, 'sync', ''),
  audit: () => configUpdated({ sync: '' }),
});

export const getImportFilter = route({
  method: 'GET',
  path: '/{keyspace}/_config/import_filter',
  about: 'The import filter of a collection; empty where it has none.',
  ...common,
  body: noBody,
  answers: { 200: { [JAVASCRIPT]: null } },
  handle: (handling) => show(handling, 'import_filter'),
  audit: () => [{ event: 'readDatabaseConfig' }],
});

export const putImportFilter = route({
  method: 'PUT',
  path: '/{keyspace}/_config/import_filter',
  about: 'Sets the import filter of a collection: it decides what is taken in from now on.',
  ...common,
  body: source,
  answers: { 200: NO_CONTENT },
  refuses: ['preconditionFailed'],
  handle: (handling) => change(handling, 'import_filter', handling.body),
  audit: ({ body }) => configUpdated({ import_filter: body }),
});

export const deleteImportFilter = route({
  method: 'DELETE',
  path: '/{keyspace}/_config/import_filter',
  about: 'Takes the import filter from a collection.',
  ...common,
  body: noBody,
  answers: { 200: NO_CONTENT },
  refuses: ['preconditionFailed'],
  handle: (handling) => change(handling, 'import_filter', ''),
  audit: () => configUpdated({ import_filter: '' }),
});

interface Asking {
  readonly params: { readonly keyspace: string };
  readonly database: Database;
  readonly services: RestServices;
  readonly headers: IncomingHttpHeaders;
}

function show({ params, database, services }: Asking, name: FunctionName): Answer {
  const { version } = services.registry.served(database.name);
  const { sync, importFilter } = configOf(database, params);
  const text = name === 'sync' ? sync : importFilter;
  return {
    status: 200,
    headers: { Etag: etagOf(version) },
    body: { kind: 'text', contentType: JAVASCRIPT, text },
  };
}

async function change(asking: Asking, name: FunctionName, text: string): Promise<Answer> {
  const { syncPath, importFilterPath } = configOf(asking.database, asking.params);
  const set = setFunction((name === 'sync' ? syncPath : importFilterPath).split('.'), text);
  return empty(200, { Etag: await changeConfiguration(asking, set) });
}

function configOf(database: Database, { keyspace }: Asking['params']): CollectionConfig {
  return database.collectionConfig(splitKeyspace(keyspace).rest);
}
