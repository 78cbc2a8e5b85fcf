import { z } from 'zod';
import type { AllDocsRow } from '../../database/all-docs.ts';
import type { Collection } from '../../database/collection.ts';
import type { Database } from '../../database/database.ts';
import type { Reader } from '../../principals/access.ts';
import { GatewayError } from '../../util/errors.ts';
import { jsonChunks } from '../answer.ts';
import type { Answer, Chunks } from '../answer.ts';
import { jsonBody, noBody } from '../body.ts';
import { bulkErrorRow } from '../error-map.ts';
import { flag, jsonValue, wholeNumber } from '../query.ts';
import { route } from '../route.ts';
import type { Port } from '../route.ts';
import { allDocs } from '../answer-schemas.ts';
import { jsonContent } from '../content.ts';

/** An id as JSON, or as it is. */
const key = z
  .string()
  .transform((text, context) => {
    if (!text.startsWith('"')) return text;
    try {
      return z.string().parse(JSON.parse(text));
    } catch {
      context.addIssue('must be a JSON string');
      return z.NEVER;
    }
  })
  .optional();

/** CouchDB's, which would change what is answered: better refused than passed over. */
const refusedUnless = (harmless: string): z.ZodType<string | undefined> =>
  z
    .string()
    .refine((text) => text === harmless, 'is not supported here')
    .optional();

const options = {
  include_docs: flag,
  channels: flag,
  access: flag,
  update_seq: flag,
  limit: wholeNumber(0),
  startkey: key,
  start_key: key,
  endkey: key,
  end_key: key,
  key,
  descending: refusedUnless('false'),
  skip: refusedUnless('0'),
  inclusive_end: refusedUnless('true'),
};
const keysQuery = { keys: jsonValue(z.array(z.string())) };

export const getAllDocs = route({
  method: 'GET',
  path: '/{keyspace}/_all_docs',
  about: 'Ids and revisions of the documents that the reader may see, or of `keys`.',
  access: 'reader',
  query: z.object({ ...options, ...keysQuery }),
  body: noBody,
  answers: { 200: jsonContent(allDocs) },
  refuses: ['forbidden'],
  handle: ({ query, ...rest }) => answer(rest, query, query.keys),
});

export const postAllDocs = route({
  method: 'POST',
  path: '/{keyspace}/_all_docs',
  about: 'As GET, with the `keys` in the body.',
  access: 'reader',
  query: z.object(options),
  body: jsonBody(z.object({ keys: z.array(z.string()) })),
  answers: { 200: jsonContent(allDocs) },
  refuses: ['forbidden'],
  handle: ({ query, body, ...rest }) => answer(rest, query, body.keys),
});

type Query = z.output<z.ZodObject<typeof options>>;

interface Asking {
  readonly collection: Collection;
  readonly database: Database;
  readonly reader: Reader;
  readonly port: Port;
}

async function answer(
  { collection, database, reader, port }: Asking,
  query: Query,
  keys: readonly string[] | undefined,
): Promise<Answer> {
  if (port === 'public' && database.config.disable_public_all_docs)
    throw new GatewayError('forbidden', '_all_docs is switched off on the public port');
  const rows = collection.allDocs({
    reader,
    keys,
    start: query.key ?? query.startkey ?? query.start_key,
    end: query.key ?? query.endkey ?? query.end_key,
    limit: query.limit === 0 ? undefined : query.limit,
    includeDocs: query.include_docs ?? false,
    access: query.access ?? false,
  });
  const { updateSequence } = await database.status();
  return jsonChunks(200, written(rows, query, updateSequence));
}

async function* written(
  pages: AsyncIterable<readonly AllDocsRow[]>,
  query: Query,
  updateSequence: number,
): Chunks {
  let count = 0;
  let before = '{"rows":[\n';
  for await (const page of pages) {
    if (page.length === 0) continue;
    count += page.length;
    yield before + page.map((row) => rowText(row, query)).join(',\n');
    before = ',\n';
  }
  const start = count === 0 ? before : '\n';
  yield `${start}],"total_rows":${count},"update_seq":${updateSequence}}\n`;
}

function rowText(row: AllDocsRow, query: Query): string {
  if (row.kind === 'refused') {
    const { error, status } = bulkErrorRow(new GatewayError(row.why, row.why), { id: row.key });
    return JSON.stringify({ key: row.key, error, status });
  }
  const id = JSON.stringify(row.id);
  let value = `{"rev":"${row.rev}"`;
  if (query.channels === true && row.channels.length > 0)
    value += `,"channels":${JSON.stringify(row.channels)}`;
  if (query.access === true && Object.keys(row.access).length > 0)
    value += `,"access":${JSON.stringify(row.access)}`;
  let text = `{"key":${id},"id":${id},"value":${value}}`;
  if (query.update_seq === true) text += `,"update_seq":${row.seq}`;
  if (row.doc !== undefined) text += `,"doc":${row.doc}`;
  return `${text}}`;
}
