import { scanBulkDocs } from '../../document/parsed-document.ts';
import { json } from '../answer.ts';
import { listSource } from '../body.ts';
import { bulkErrorRow } from '../error-map.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';

export const postBulkDocs = route({
  method: 'POST',
  path: '/{keyspace}/_bulk_docs',
  about: 'Writes many documents; each succeeds or fails by itself.',
  access: 'reader',
  query: noQuery,
  body: listSource,
  handle: async ({ collection, reader, body, signal }) => {
    const { docs, newEdits } = scanBulkDocs(body);
    const outcomes = await collection.bulkUpdate(reader, docs, { newEdits, signal });
    const rows = outcomes.map((outcome) =>
      outcome.ok ? { id: outcome.id, rev: outcome.rev } : bulkErrorRow(outcome.cause, outcome),
    );
    return json(201, rows);
  },
});
