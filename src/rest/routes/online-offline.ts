import { z } from 'zod';
import { empty } from '../answer.ts';
import { noBody, parseJson, textBody } from '../body.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';
import { NO_CONTENT } from '../content.ts';

/** The longest time that a timer of ours can wait is some 24 days. */
const DELAY_SECS_MAX = 14 * 24 * 3600;

const onlineBody = z.object({ delay: z.number().min(0).max(DELAY_SECS_MAX).nullish() });

export const postOffline = route({
  method: 'POST',
  path: '/{db}/_offline',
  about: 'Takes a database offline: ends its feeds, lets open requests finish, takes no new ones.',
  access: 'admin',
  whileOffline: true,
  query: noQuery,
  body: noBody,
  answers: { 200: NO_CONTENT },
  handle: async ({ database, services }) => {
    await services.registry.served(database.name).goOffline();
    return empty(200);
  },
});

export const postOnline = route({
  method: 'POST',
  path: '/{db}/_online',
  about: 'Brings a database online, at once or in `delay` seconds.',
  access: 'admin',
  whileOffline: true,
  query: noQuery,
  body: textBody(['application/json']),
  answers: { 200: NO_CONTENT },
  handle: async ({ database, body, services }) => {
    const served = services.registry.served(database.name);
    // NOTE: as recorded, the body counts only where there is something to do.
    if (served.states.reactionTo('goOnlineLater') === 'already') return empty(200);
    const { delay } = body.trim() === '' ? {} : parseJson(body, onlineBody);
    if (delay === undefined || delay === null || delay === 0) await served.goOnline();
    else served.goOnlineLater(delay * 1000);
    return empty(200);
  },
});
