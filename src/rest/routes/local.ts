import { empty, json, jsonText } from '../answer.ts';
import { documentSource, noBody } from '../body.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';
import { z } from 'zod';
import { given } from '../query.ts';
import { document, written } from '../answer-schemas.ts';
import { jsonContent, NO_CONTENT } from '../content.ts';

export const getLocal = route({
  method: 'GET',
  path: '/{keyspace}/_local/{localid}',
  about: 'A local document: not replicated, not listed; clients keep their checkpoints here.',
  access: 'reader',
  query: noQuery,
  body: noBody,
  answers: { 200: jsonContent(document) },
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
  answers: { 201: jsonContent(written) },
  refuses: ['conflict'],
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
  answers: { 200: NO_CONTENT },
  refuses: ['conflict'],
  handle: async ({ collection, params, query }) => {
    await collection.local.remove(params.localid, query.rev);
    return empty(200);
  },
});
