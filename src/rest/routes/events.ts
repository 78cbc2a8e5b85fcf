import { z } from 'zod';
import type { Database } from '../../database/database.ts';
import { deadLetterSchema } from '../../events/dead-letters.ts';
import type { DatabaseEvents } from '../../events/database-events.ts';
import { eventsStatus } from '../../events/database-events.ts';
import { GatewayError } from '../../util/errors.ts';
import { empty, json } from '../answer.ts';
import { noBody } from '../body.ts';
import { jsonContent, NO_CONTENT } from '../content.ts';
import { wholeNumber } from '../query.ts';
import type { RestServices } from '../rest-services.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';

const withBody = z.object({
  ...deadLetterSchema.shape,
  body: z.unknown().meta({ description: 'The event; absent where it is not kept any more.' }),
});

const replayQuery = z.object({
  from: wholeNumber(0),
  handler: z.string().optional(),
});

export const getEvents = route({
  method: 'GET',
  path: '/{db}/_events',
  about: 'Where each webhook of a database stands: position, lag, deliveries, dead letters.',
  access: 'admin',
  query: noQuery,
  body: noBody,
  answers: { 200: jsonContent(eventsStatus) },
  handle: async ({ database, services }) => json(200, await eventsOf(database, services).status()),
});

export const postReplay = route({
  method: 'POST',
  path: '/{db}/_events/replay',
  about:
    'Tells a webhook again of every document that changed after the sequence `from`. `handler` ' +
    'may be left out where there is one.',
  access: 'admin',
  query: replayQuery,
  body: noBody,
  answers: { 200: jsonContent(z.object({ handler: z.string(), from: z.number() })) },
  refuses: ['missing', 'badRequest'],
  handle: async ({ database, services, query }) => {
    const { from, handler: named } = query;
    if (from === undefined)
      throw new GatewayError('badRequest', 'the query parameter from: a sequence must be given');
    const handler = await eventsOf(database, services).replay(named ?? onlyHandler(database), from);
    return json(200, { handler, from });
  },
});

export const getDeadLetters = route({
  method: 'GET',
  path: '/{db}/_events/dead_letters',
  about: 'Events that were given up, the oldest first, without their bodies.',
  access: 'admin',
  query: noQuery,
  body: noBody,
  answers: { 200: jsonContent(z.object({ dead_letters: z.array(deadLetterSchema) })) },
  handle: async ({ database, services }) =>
    json(200, { dead_letters: await eventsOf(database, services).deadLetters() }),
});

export const getDeadLetter = route({
  method: 'GET',
  path: '/{db}/_events/dead_letters/{letterid}',
  about: 'One of them, with the body of the event.',
  access: 'admin',
  query: noQuery,
  body: noBody,
  answers: { 200: jsonContent(withBody) },
  refuses: ['missing'],
  handle: async ({ database, services, params }) => {
    const { letter, body } = await eventsOf(database, services).deadLetter(params.letterid);
    return json(
      200,
      body === undefined ? letter : { ...letter, body: JSON.parse(body) as unknown },
    );
  },
});

export const deleteDeadLetter = route({
  method: 'DELETE',
  path: '/{db}/_events/dead_letters/{letterid}',
  about: 'Forgets it.',
  access: 'admin',
  query: noQuery,
  body: noBody,
  answers: { 200: NO_CONTENT },
  refuses: ['missing'],
  handle: async ({ database, services, params }) => {
    await eventsOf(database, services).dropDeadLetter(params.letterid);
    return empty(200);
  },
});

export const postResend = route({
  method: 'POST',
  path: '/{db}/_events/dead_letters/{letterid}/resend',
  about: 'Sends it once more; accepted, it is no dead letter any more. Else 503, and it is kept.',
  access: 'admin',
  query: noQuery,
  body: noBody,
  answers: { 200: NO_CONTENT },
  refuses: ['missing'],
  handle: async ({ database, services, params, signal }) => {
    await eventsOf(database, services).resend(params.letterid, signal);
    return empty(200);
  },
});

function eventsOf({ name }: Database, { events }: RestServices): DatabaseEvents {
  const found = events.of(name);
  if (found === undefined) throw new GatewayError('unavailable', `${name} does not serve now`);
  return found;
}

/** The place of the one that there is. */
function onlyHandler({ config }: Database): string {
  if (config.event_handlers.document_changed.length === 1) return '0';
  throw new GatewayError(
    'badRequest',
    'the query parameter handler: must be given, as there is not exactly one of document_changed',
  );
}
