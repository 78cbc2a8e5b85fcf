import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { GatewayError } from '../../util/errors.ts';
import { jsonText } from '../answer.ts';
import { noBody } from '../body.ts';
import { flag } from '../query.ts';
import { route } from '../route.ts';
import { jsonContent } from '../content.ts';

export const getRaw = route({
  method: 'GET',
  path: '/{keyspace}/_raw/{docid}',
  about: 'A document with its metadata; `redact=true`: without its body, names hashed by `salt`.',
  access: 'admin',
  query: z.object({ include_doc: flag, redact: flag, salt: z.string().optional() }),
  body: noBody,
  answers: { 200: jsonContent(z.looseObject({})) },
  handle: async ({ collection, params, query }) => {
    const isRedacted = query.redact ?? false;
    if (isRedacted && query.include_doc === true)
      throw new GatewayError('badRequest', 'redact=true and include_doc=true exclude each other');
    const text = await collection.tools.raw(params.docid, {
      includeDoc: query.include_doc ?? !isRedacted,
      // Without a salt of the caller's, equal names can be compared within one answer alone.
      ...(isRedacted ? { hashKey: query.salt ?? randomUUID() } : {}),
    });
    return jsonText(200, text);
  },
  audit: ({ params }) => [{ event: 'readDocumentMetadata', fields: { doc_id: params.docid } }],
});
