import { GatewayError } from '../../util/errors.ts';
import { empty, json, jsonText } from '../answer.ts';
import { documentSource, noBody } from '../body.ts';
import type { Route } from '../route.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';
import { z } from 'zod';
import { jsonContent, NO_CONTENT } from '../content.ts';

const DESIGN = '/{keyspace}/_design/{ddoc}';
const VIEW = '/{keyspace}/_design/{ddoc}/_view/{view}';

export const getDesign = route({
  method: 'GET',
  path: DESIGN,
  about: 'A design document as it was put. Its views are not run.',
  access: 'admin',
  query: noQuery,
  body: noBody,
  answers: { 200: jsonContent(z.looseObject({})) },
  handle: async ({ collection, params }) =>
    jsonText(200, await collection.tools.designs.get(params.ddoc)),
});

export const putDesign = route({
  method: 'PUT',
  path: DESIGN,
  about: 'Keeps a design document. Its views are not run.',
  access: 'admin',
  query: noQuery,
  body: documentSource,
  answers: { 201: jsonContent(z.object({ id: z.string(), ok: z.literal(true) })) },
  handle: async ({ collection, params, body }) => {
    await collection.tools.designs.put(params.ddoc, body);
    return json(201, { id: `_design/${params.ddoc}`, ok: true });
  },
});

export const deleteDesign = route({
  method: 'DELETE',
  path: DESIGN,
  about: 'Removes a design document.',
  access: 'admin',
  query: noQuery,
  body: noBody,
  answers: { 200: NO_CONTENT },
  handle: async ({ collection, params }) => {
    await collection.tools.designs.remove(params.ddoc);
    return empty(200);
  },
});

/** On the public port, where nobody may put code. */
export const refuseDesign = refusing(DESIGN);
export const refuseViews = refusing(VIEW);

function refusing(path: typeof DESIGN | typeof VIEW): readonly Route[] {
  return (['GET', 'PUT', 'POST', 'DELETE'] as const).map((method) =>
    route({
      method,
      path,
      about: 'Design documents hold code, and are not served.',
      access: 'public',
      query: noQuery,
      body: noBody,
      answers: {},
      refuses: ['forbidden'],
      handle: () => {
        throw new GatewayError('forbidden', 'design documents are not served');
      },
    }),
  );
}
