import { z } from 'zod';
import type { ChannelEntry } from '../../database/document-tools.ts';
import { GatewayError } from '../../util/errors.ts';
import type { Chunks } from '../answer.ts';
import { noBody } from '../body.ts';
import { wholeNumber } from '../query.ts';
import { route } from '../route.ts';

export const getDumpChannel = route({
  method: 'GET',
  path: '/{keyspace}/_dumpchannel/{channel}',
  about: 'What is in a channel, and what left it, as a page: by sequence, after `since`.',
  access: 'admin',
  query: z.object({ since: wholeNumber(0) }),
  body: noBody,
  answers: { 200: { 'text/html': null } },
  handle: async ({ collection, params, query, signal }) => {
    const { channel } = params;
    const pages = collection.tools.channelEntries(channel, query.since ?? 0, signal);
    const first = await pages.next();
    if (first.done === true) throw new GatewayError('missing', 'nothing is or was in this channel');
    return {
      status: 200,
      headers: { 'X-Content-Type-Options': 'nosniff' },
      body: {
        kind: 'chunks',
        contentType: 'text/html; charset=utf-8',
        chunks: table(channel, first.value, pages),
        compress: true,
      },
    };
  },
});

async function* table(
  channel: string,
  first: readonly ChannelEntry[],
  rest: AsyncIterable<readonly ChannelEntry[]>,
): Chunks {
  const title = `Channel ${escaped(channel)}`;
  yield (
    `<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>${title}</title></head>\n` +
    `<body><h1>${title}</h1>\n<table border="1">\n` +
    '<tr><th>Sequence</th><th>Document</th><th>Revision</th><th>State</th></tr>\n'
  );
  yield tableRows(first);
  for await (const page of rest) yield tableRows(page);
  yield '</table></body></html>\n';
}

function tableRows(entries: readonly ChannelEntry[]): string {
  const rows = entries.map(({ seq, id, rev, states }) => [
    seq,
    escaped(id),
    rev,
    states.join(', '),
  ]);
  return rows.map((cells) => `<tr><td>${cells.join('</td><td>')}</td></tr>\n`).join('');
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '"': '&quot;' };
const escaped = (text: string): string => text.replace(/[&<"]/g, (char) => ENTITIES[char] ?? char);
