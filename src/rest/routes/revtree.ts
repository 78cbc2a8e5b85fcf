import { text } from '../answer.ts';
import { noBody } from '../body.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';

export const getRevTree = route({
  method: 'GET',
  path: '/{keyspace}/_revtree/{docid}',
  about: 'The revision tree of a document as text for Graphviz.',
  access: 'admin',
  query: noQuery,
  body: noBody,
  answers: { 200: { 'text/vnd.graphviz': null } },
  handle: async ({ collection, params }) =>
    text(200, 'text/vnd.graphviz', await collection.tools.revisionGraph(params.docid)),
  audit: ({ params }) => [{ event: 'readDocumentMetadata', fields: { doc_id: params.docid } }],
});
