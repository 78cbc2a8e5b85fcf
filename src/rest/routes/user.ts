import { z } from 'zod';
import { GatewayError } from '../../util/errors.ts';
import { isJsonObject } from '../../config/check-table.ts';
import { empty, json } from '../answer.ts';
import type { Told } from '../audited-answer.ts';
import { jsonBody, noBody } from '../body.ts';
import { flag, wholeNumber } from '../query.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';
import { user, userInput } from '../answer-schemas.ts';
import { jsonContent, NO_CONTENT } from '../content.ts';

/** Checked by `Principals`, which knows what may be in it. */
const anyBody = jsonBody(z.unknown(), userInput);

const listed = z.object({ name: z.string(), email: z.string(), disabled: z.boolean() });

export const listUsers = route({
  method: 'GET',
  path: '/{db}/_user/',
  about: 'Names of the users; with `name_only=false` their e-mail addresses and states too.',
  access: 'admin',
  query: z.object({ name_only: flag, limit: wholeNumber(1) }),
  body: noBody,
  answers: { 200: jsonContent(z.array(z.union([z.string(), listed]))) },
  handle: async ({ database, query }) => {
    const namesOnly = query.name_only ?? true;
    if (namesOnly && query.limit !== undefined)
      throw new GatewayError('badRequest', 'limit needs name_only=false');
    const { limit } = query;
    const users = await database.principals.listUsers(limit === undefined ? {} : { limit });
    return json(200, namesOnly ? users.map(({ name }) => name) : users);
  },
  audit: ({ query }) => [
    { event: 'readAllUsers', fields: { name_only: query.name_only ?? true, limit: query.limit } },
  ],
});

export const postUser = route({
  method: 'POST',
  path: '/{db}/_user/',
  about: 'Creates the user that the body names.',
  access: 'admin',
  query: noQuery,
  body: anyBody,
  answers: { 201: NO_CONTENT },
  refuses: ['conflict'],
  handle: async ({ database, body }) => {
    await database.principals.postUser(body);
    return empty(201);
  },
  audit: ({ body }) => userTold('createUser', body),
});

export const getUser = route({
  method: 'GET',
  path: '/{db}/_user/{name}',
  about:
    'A user with all its channels and roles; `reasons=true`: also by which grants it has each of ' +
    'them.',
  access: 'admin',
  query: z.object({ reasons: flag }),
  body: noBody,
  answers: { 200: jsonContent(user) },
  handle: async ({ database: { principals }, params: { name }, query }) => {
    const view = await principals.getUser(name);
    if (query.reasons !== true) return json(200, view);
    return json(200, { ...view, ...(await principals.reasons({ kind: 'user', name })) });
  },
  audit: ({ params }) => [{ event: 'readUser', fields: { username: params.name } }],
});

export const putUser = route({
  method: 'PUT',
  path: '/{db}/_user/{name}',
  about: 'Creates or changes a user; what the body does not name stays.',
  access: 'admin',
  query: noQuery,
  body: anyBody,
  answers: { 200: NO_CONTENT, 201: NO_CONTENT },
  refuses: ['conflict'],
  handle: async ({ database, params, body }) => {
    const { created } = await database.principals.putUser(params.name, body);
    return empty(created ? 201 : 200);
  },
  audit: ({ params, body }, { status }) =>
    userTold(status === 201 ? 'createUser' : 'updateUser', body, params.name),
});

export const deleteUser = route({
  method: 'DELETE',
  path: '/{db}/_user/{name}',
  about: 'Removes a user with its sessions.',
  access: 'admin',
  query: noQuery,
  body: noBody,
  answers: { 200: NO_CONTENT },
  refuses: ['methodNotAllowed'],
  handle: async ({ database, params }) => {
    await database.principals.deleteUser(params.name);
    return empty(200);
  },
  audit: ({ params }) => [{ event: 'deleteUser', fields: { username: params.name } }],
});

/** `channels` and `roles` as they were sent: absent where they stay. */
function userTold(
  event: 'createUser' | 'updateUser',
  body: unknown,
  name?: string,
): readonly Told[] {
  const sent = isJsonObject(body) ? body : {};
  const fields = {
    username: name ?? sent['name'],
    channels: sent['admin_channels'] ?? sent['collection_access'],
    roles: sent['admin_roles'],
  };
  return [{ event, fields }];
}
