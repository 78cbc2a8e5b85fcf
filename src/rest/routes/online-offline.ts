import { z } from 'zod';
import { empty } from '../answer.ts';
import { noBody, parseJson, textBody } from '../body.ts';
import { route } from '../route.ts';
import { NO_CONTENT } from '../content.ts';

/** The longest time that a timer of ours can wait is some 24 days. */
const DELAY_SECS_MAX = 14 * 24 * 3600;

// NOTE: strict: a delay that is misspelt must not bring it online at once.
const onlineBody = z.strictObject({ delay: z.number().min(0).max(DELAY_SECS_MAX).nullish() });

/** Whom it is for: all nodes that share the configuration of the database, or this one alone. */
const scoped = z.object({ scope: z.enum(['group', 'node']).default('group') });

export const postOffline = route({
  method: 'POST',
  path: '/{db}/_offline',
  about:
    'Takes a database offline: ends its feeds, lets open requests finish, takes no new ones. ' +
    '`scope=node`: on this node alone.',
  access: 'admin',
  whileOffline: true,
  query: scoped,
  body: noBody,
  answers: { 200: NO_CONTENT },
  handle: async ({ database, query, services }) => {
    await services.registry.served(database.name).goOffline(query.scope);
    return empty(200);
  },
  audit: () => [{ event: 'databaseOffline' }],
});

export const postOnline = route({
  method: 'POST',
  path: '/{db}/_online',
  about:
    'Brings a database online, at once or in `delay` seconds; `scope=node`: on this node alone.',
  access: 'admin',
  whileOffline: true,
  query: scoped,
  body: textBody(['application/json']),
  answers: { 200: NO_CONTENT },
  handle: async ({ database, query: { scope }, body, services }) => {
    const served = services.registry.served(database.name);
    // NOTE: as recorded, the body counts only where there is something to do.
    if (served.states.reactionTo('goOnlineLater') === 'already') {
      await served.goOnline(scope);
      return empty(200);
    }
    const { delay } = body.trim() === '' ? {} : parseJson(body, onlineBody);
    const isNow = delay === undefined || delay === null || delay === 0;
    if (isNow) await served.feed.reconnect();
    if (served.openBucket !== undefined) await services.tasks.resyncs.requireNone(served);
    if (isNow) await served.goOnline(scope);
    else served.goOnlineLater(delay * 1000, scope);
    return empty(200);
  },
  audit: () => [{ event: 'databaseOnline' }],
});
