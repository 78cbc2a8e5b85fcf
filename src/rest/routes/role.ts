import { z } from 'zod';
import { isJsonObject } from '../../config/check-table.ts';
import { empty, json } from '../answer.ts';
import type { Told } from '../audited-answer.ts';
import { jsonBody, noBody } from '../body.ts';
import { flag } from '../query.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';
import { roleInput, roleWithReasons } from '../answer-schemas.ts';
import { jsonContent, NO_CONTENT } from '../content.ts';

/** Checked by `Principals`, which knows what may be in it. */
const anyBody = jsonBody(z.unknown(), roleInput);

export const listRoles = route({
  method: 'GET',
  path: '/{db}/_role/',
  about: 'Names of the roles; with `deleted=true` of deleted ones too.',
  access: 'admin',
  query: z.object({ deleted: flag }),
  body: noBody,
  answers: { 200: jsonContent(z.array(z.string())) },
  handle: async ({ database, query }) =>
    json(200, await database.principals.listRoles({ deleted: query.deleted ?? false })),
  audit: ({ query }) => [
    { event: 'readAllRoles', fields: { include_deleted: query.deleted ?? false } },
  ],
});

export const postRole = route({
  method: 'POST',
  path: '/{db}/_role/',
  about: 'Creates the role that the body names.',
  access: 'admin',
  query: noQuery,
  body: anyBody,
  answers: { 201: NO_CONTENT },
  refuses: ['conflict'],
  handle: async ({ database, body }) => {
    await database.principals.postRole(body);
    return empty(201);
  },
  audit: ({ body }) => roleTold('createRole', body),
});

export const getRole = route({
  method: 'GET',
  path: '/{db}/_role/{name}',
  about: 'A role with all its channels; `reasons=true`: also by which grants it has each of them.',
  access: 'admin',
  query: z.object({ reasons: flag }),
  body: noBody,
  answers: { 200: jsonContent(roleWithReasons) },
  handle: async ({ database: { principals }, params: { name }, query }) => {
    const view = await principals.getRole(name);
    if (query.reasons !== true) return json(200, view);
    return json(200, { ...view, ...(await principals.reasons({ kind: 'role', name })) });
  },
  audit: ({ params }) => [{ event: 'readRole', fields: { role: params.name } }],
});

export const putRole = route({
  method: 'PUT',
  path: '/{db}/_role/{name}',
  about: 'Creates or changes a role; what the body does not name stays.',
  access: 'admin',
  query: noQuery,
  body: anyBody,
  answers: { 200: NO_CONTENT, 201: NO_CONTENT },
  refuses: ['conflict'],
  handle: async ({ database, params, body }) => {
    const { created } = await database.principals.putRole(params.name, body);
    return empty(created ? 201 : 200);
  },
  audit: ({ params, body }, { status }) =>
    roleTold(status === 201 ? 'createRole' : 'updateRole', body, params.name),
});

export const deleteRole = route({
  method: 'DELETE',
  path: '/{db}/_role/{name}',
  about: 'Deletes a role; users keep its name. With `purge=true` nothing of it is left.',
  access: 'admin',
  query: z.object({ purge: flag }),
  body: noBody,
  answers: { 200: NO_CONTENT },
  handle: async ({ database, params, query }) => {
    await database.principals.deleteRole(params.name, { purge: query.purge ?? false });
    return empty(200);
  },
  audit: ({ params }) => [{ event: 'deleteRole', fields: { role: params.name } }],
});

/** `admin_channels` as they were sent: absent where they stay. */
function roleTold(
  event: 'createRole' | 'updateRole',
  body: unknown,
  name?: string,
): readonly Told[] {
  const sent = isJsonObject(body) ? body : {};
  const channels = sent['admin_channels'] ?? sent['collection_access'];
  return [{ event, fields: { role: name ?? sent['name'], admin_channels: channels } }];
}
