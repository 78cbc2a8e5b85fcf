import { json } from '../answer.ts';
import { noBody } from '../body.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';
import { z } from 'zod';
import { jsonContent } from '../content.ts';

/** Work of the reference that there is none of here: what it asks for holds from the beginning. */

const answer = z.object({ status: z.string(), start_time: z.string(), last_error: z.string() });
const migration = answer.extend({
  docs_changed: z.int(),
  docs_failed: z.int(),
  docs_processed: z.int(),
  migration_id: z.string(),
});

export const getIndexInit = route({
  method: 'GET',
  path: '/{db}/_index_init',
  about: 'Whether the indexes are there: always, they are made with the bucket.',
  access: 'admin',
  whileOffline: true,
  query: noQuery,
  body: noBody,
  answers: { 200: jsonContent(answer.extend({ index_status: z.null() })) },
  handle: async ({ database }) => json(200, await done(database, { index_status: null })),
});

export const getAttachmentMigration = route({
  method: 'GET',
  path: '/{db}/_attachment_migration',
  about: 'Whether attachments are where they belong: always, they never were elsewhere.',
  access: 'admin',
  query: noQuery,
  body: noBody,
  answers: { 200: jsonContent(migration) },
  handle: async ({ database }) => {
    const counts = { docs_changed: 0, docs_failed: 0, docs_processed: 0, migration_id: '' };
    return json(200, await done(database, counts));
  },
});

async function done(
  database: { status(): Promise<{ readonly startedMs: number }> },
  more: Readonly<Record<string, unknown>>,
): Promise<Readonly<Record<string, unknown>>> {
  const { startedMs } = await database.status();
  const startTime = new Date(startedMs).toISOString();
  return { status: 'completed', start_time: startTime, last_error: '', ...more };
}
