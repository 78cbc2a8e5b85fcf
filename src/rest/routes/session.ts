import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import type { Identity } from '../../auth/authenticate.ts';
import { isBearer } from '../../auth/bearer-token.ts';
import { cookieValue } from '../../auth/cookies.ts';
import { sessionAnswer } from '../../auth/session-answer.ts';
import type { Database } from '../../database/database.ts';
import {
  sessionCreated,
  sessionDeleted,
  sessionsDeleted,
} from '../../observability/session-events.ts';
import type { Reader } from '../../principals/access.ts';
import { GatewayError, isGatewayError } from '../../util/errors.ts';
import { empty, json } from '../answer.ts';
import type { Answer } from '../answer.ts';
import { jsonBody, noBody, optionalJsonBody } from '../body.ts';
import { requireLoginOrigin } from '../cors.ts';
import { route } from '../route.ts';
import { clearedCookie, cookieOf } from '../session-cookie.ts';
import { noQuery } from './no-query.ts';
import { session } from '../answer-schemas.ts';
import { jsonContent, NO_CONTENT } from '../content.ts';

const made = z.object({
  session_id: z.string(),
  expires: z.string(),
  cookie_name: z.string(),
});

export const getSession = route({
  method: 'GET',
  path: '/{db}/_session',
  about: 'Who the credentials of the request stand for; nobody is refused.',
  access: 'public',
  query: noQuery,
  body: noBody,
  answers: { 200: jsonContent(session) },
  handle: async ({ database, headers, port }) => {
    const identity = port === 'admin' ? undefined : await identify(database, headers);
    if (identity === undefined) return answerFor(database, undefined);
    const isExtended = identity.by === 'session' && identity.extended;
    const cookie = isExtended ? { 'Set-Cookie': cookieOf(database, identity.session) } : {};
    return answerFor(database, nameOf(identity.reader), cookie);
  },
});

export const postPublicSession = route({
  method: 'POST',
  path: '/{db}/_session',
  about: 'Logs in with the name and password in the body, or with the request’s credentials.',
  access: 'public',
  query: noQuery,
  body: optionalJsonBody(
    z.object({ name: z.string().optional(), password: z.string().optional() }),
  ),
  answers: { 200: jsonContent(session) },
  handle: async ({ database, services, body, headers, cancellation }) => {
    requireLoginOrigin(headers, { services, database });
    // NOTE: clients of the reference name the user of their token in the body.
    const isByHeaders = body === undefined || (body.password === undefined && hasToken(headers));
    const reader = isByHeaders
      ? await requestSender(database, headers)
      : await database.login(body.name ?? '', body.password ?? '', cancellation);
    const name = nameOf(reader);
    if (name === '') throw new GatewayError('unauthorized', 'login is required');
    const session = await database.sessions.create(name);
    sessionCreated(database.observer, session);
    return answerFor(database, name, { 'Set-Cookie': cookieOf(database, session) });
  },
});

export const deletePublicSession = route({
  method: 'DELETE',
  path: '/{db}/_session',
  about: 'Logs out: ends the session of the request’s cookie.',
  access: 'reader',
  query: noQuery,
  body: noBody,
  answers: { 200: NO_CONTENT },
  handle: async ({ database, services, headers, reader }) => {
    requireLoginOrigin(headers, { services, database });
    const id = cookieValue(headers.cookie ?? '', database.config.session_cookie_name);
    if (id === undefined) throw new GatewayError('missing', 'the request has no session');
    await database.sessions.end(id);
    const user = reader.kind === 'user' ? reader.access.name : undefined;
    sessionDeleted(database.observer, { id, user });
    return empty(200, { 'Set-Cookie': clearedCookie(database) });
  },
});

export const postAdminSession = route({
  method: 'POST',
  path: '/{db}/_session',
  about: 'Makes a session of a user, for `ttl` seconds.',
  access: 'admin',
  query: noQuery,
  body: jsonBody(z.object({ name: z.string(), ttl: z.number().optional() })),
  answers: { 200: jsonContent(made) },
  handle: async ({ database, body }) => {
    const session = await database.sessions.create(body.name, body.ttl);
    sessionCreated(database.observer, session);
    return json(200, {
      session_id: session.id,
      expires: new Date(session.expires * 1000).toISOString(),
      cookie_name: database.config.session_cookie_name,
    });
  },
});

export const getAdminSession = route({
  method: 'GET',
  path: '/{db}/_session/{id}',
  about: 'Whose session it is.',
  access: 'admin',
  query: noQuery,
  body: noBody,
  answers: { 200: jsonContent(session) },
  handle: async ({ database, params }) => {
    const { user } = await database.sessions.get(params.id);
    return answerFor(database, user);
  },
});

export const deleteAdminSession = route({
  method: 'DELETE',
  path: '/{db}/_session/{id}',
  about: 'Ends a session.',
  access: 'admin',
  query: noQuery,
  body: noBody,
  answers: { 200: NO_CONTENT },
  handle: async ({ database, params }) => {
    await database.sessions.end(params.id);
    sessionDeleted(database.observer, params);
    return empty(200);
  },
});

export const deleteUserSession = route({
  method: 'DELETE',
  path: '/{db}/_user/{name}/_session/{id}',
  about: 'Ends a session, if it is that user’s.',
  access: 'admin',
  query: noQuery,
  body: noBody,
  answers: { 200: NO_CONTENT },
  handle: async ({ database, params }) => {
    await database.sessions.end(params.id, { user: params.name });
    sessionDeleted(database.observer, { id: params.id, user: params.name });
    return empty(200);
  },
});

export const deleteUserSessions = route({
  method: 'DELETE',
  path: '/{db}/_user/{name}/_session',
  about: 'Ends all sessions of a user.',
  access: 'admin',
  query: noQuery,
  body: noBody,
  answers: { 200: NO_CONTENT },
  handle: async ({ database, params }) => {
    await database.sessions.endAll(params.name);
    sessionsDeleted(database.observer, params.name);
    return empty(200);
  },
});

/** Who sends a request for a session. Throws `unauthorized`; `forbidden` where it may have none. */
async function requestSender(database: Database, headers: IncomingHttpHeaders): Promise<Reader> {
  const identity = await database.authenticate(headers);
  if (identity.by === 'token' && !identity.sessions)
    throw new GatewayError('forbidden', 'these tokens make no sessions (disable_session)');
  return identity.reader;
}

function hasToken({ authorization = '' }: IncomingHttpHeaders): boolean {
  return isBearer(authorization);
}

/** `` for the guest. */
function nameOf(reader: Reader): string {
  return reader.kind === 'user' ? reader.access.name : '';
}

/** Who sends the request; undefined for nobody. Throws `unauthorized` for wrong credentials. */
async function identify(
  database: Database,
  headers: IncomingHttpHeaders,
): Promise<Identity | undefined> {
  try {
    return await database.authenticate(headers);
  } catch (cause) {
    if (headers.authorization !== undefined || !isGatewayError(cause, 'unauthorized')) throw cause;
    return undefined;
  }
}

/** Undefined: nobody; `` the guest, who has channels and no name. */
async function answerFor(
  { principals }: Database,
  name: string | undefined,
  headers: Answer['headers'] = {},
): Promise<Answer> {
  return json(200, await sessionAnswer(name, principals), headers);
}
