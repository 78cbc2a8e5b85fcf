import type { BulkOutcome } from '../../database/bulk-update.ts';
import { scanBulkDocs } from '../../document/parsed-document.ts';
import { json } from '../answer.ts';
import { listSource } from '../body.ts';
import { bulkErrorRow } from '../error-map.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';
import { z } from 'zod';
import { bulkError } from '../answer-schemas.ts';
import { jsonContent } from '../content.ts';

/** About what a document takes in memory beside its text, with what is told of it in the end. */
const DOCUMENT_BYTES = 512;

export const postBulkDocs = route({
  method: 'POST',
  path: '/{keyspace}/_bulk_docs',
  about: 'Writes many documents; each succeeds or fails by itself.',
  access: 'reader',
  query: noQuery,
  body: listSource,
  answers: {
    201: jsonContent(z.array(z.union([z.object({ id: z.string(), rev: z.string() }), bulkError]))),
  },
  handle: async ({ collection, reader, body, held, signal }) => {
    const { docs, newEdits } = scanBulkDocs(body);
    held.add(docs.length * DOCUMENT_BYTES);
    const tell = (outcome: BulkOutcome): object =>
      outcome.ok ? { id: outcome.id, rev: outcome.rev } : bulkErrorRow(outcome.cause, outcome);
    return json(201, await collection.bulkUpdate(reader, docs, { newEdits, signal, tell }));
  },
});
