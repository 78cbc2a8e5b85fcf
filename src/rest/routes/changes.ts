import type { z } from 'zod';
import type { Collection } from '../../database/collection.ts';
import type { Database } from '../../database/database.ts';
import type { Reader } from '../../principals/access.ts';
import type { Answer } from '../answer.ts';
import { jsonBody, noBody } from '../body.ts';
import { changesBody, changesQuery, changesRequest } from '../changes-request.ts';
import { changesAnswer } from '../feed-transport.ts';
import type { RestServices } from '../rest-services.ts';
import { route } from '../route.ts';

export const getChanges = route({
  method: 'GET',
  path: '/{keyspace}/_changes',
  about:
    'What changed after `since`, that the reader may see: once, at the next change, or for ever.',
  access: 'reader',
  query: changesQuery,
  body: noBody,
  handle: (handling) => answer(handling, undefined),
});

export const postChanges = route({
  method: 'POST',
  path: '/{keyspace}/_changes',
  about: 'As GET, with the parameters in the body.',
  access: 'reader',
  query: changesQuery,
  body: jsonBody(changesBody),
  handle: (handling) => answer(handling, handling.body),
});

interface Asking {
  readonly collection: Collection;
  readonly database: Database;
  readonly reader: Reader;
  readonly services: RestServices;
  readonly query: z.output<typeof changesQuery>;
  readonly signal: AbortSignal;
}

function answer(
  { collection, database, reader, services, query, signal }: Asking,
  body: z.output<typeof changesBody> | undefined,
): Answer {
  const request = changesRequest(query, body, services.settings);
  const feed = collection.changes(reader, request);
  return changesAnswer(feed, { services, request, signal, closing: database.closing });
}
