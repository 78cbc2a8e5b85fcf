import { z } from 'zod';
import { empty, json } from '../answer.ts';
import { noBody, optionalJsonBody } from '../body.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';
import { jsonContent, NO_CONTENT } from '../content.ts';

export const getChannelHistory = route({
  method: 'GET',
  path: '/{keyspace}/_channel_history/{docid}',
  about: 'The channels that a document left, each with the sequences at which it did.',
  access: 'admin',
  query: noQuery,
  body: noBody,
  answers: { 200: jsonContent(z.record(z.string(), z.array(z.int()))) },
  handle: async ({ collection, params }) => {
    const ends = await collection.tools.channelHistory(params.docid);
    return json(200, Object.fromEntries(ends));
  },
});

export const postCompactChannelHistory = route({
  method: 'POST',
  path: '/{keyspace}/_channel_history/{docid}/compact',
  about: 'Forgets the earlier stays of a document in channels: all but the last one in each.',
  access: 'admin',
  query: noQuery,
  body: optionalJsonBody(z.strictObject({})),
  answers: { 200: NO_CONTENT },
  handle: async ({ collection, params }) => {
    await collection.tools.compactChannelHistory(params.docid);
    return empty(200);
  },
});
