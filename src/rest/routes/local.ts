import { empty, json, jsonText } from '../answer.ts';
import { documentSource, noBody } from '../body.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';
import { z } from 'zod';
import { given } from '../query.ts';

export const getLocal = route({
  method: 'GET',
  path: '/{keyspace}/_local/{localid}',
  about: 'A local document: not replicated, not listed; clients keep their checkpoints here.',
  access: 'reader',
  query: noQuery,
  body: noBody,
  handle: async ({ collection, params }) => {
    const { text } = await collection.local.get(params.localid);
    return jsonText(200, text);
  },
});

export const putLocal = route({
  method: 'PUT',
  path: '/{keyspace}/_local/{localid}',
  about: 'Writes a local document over the revision that its `_rev` names.',
  access: 'reader',
  query: noQuery,
  body: documentSource,
  handle: async ({ collection, params, body }) => {
    const { rev } = await collection.local.put(params.localid, body);
    return json(201, { id: `_local/${params.localid}`, ok: true, rev });
  },
});

export const deleteLocal = route({
  method: 'DELETE',
  path: '/{keyspace}/_local/{localid}',
  about: 'Removes a local document of that revision.',
  access: 'reader',
  query: z.object({ rev: given }),
  body: noBody,
  handle: async ({ collection, params, query }) => {
    await collection.local.remove(params.localid, query.rev);
    return empty(200);
  },
});
