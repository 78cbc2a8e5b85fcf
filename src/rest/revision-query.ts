import { z } from 'zod';
import { parseRevId } from '../document/rev-id.ts';
import type { RevId } from '../document/types.ts';
import type { Telling } from './document-answer.ts';
import { flag, jsonValue, wholeNumber } from './query.ts';

/** Query parameters that say what of a revision is told, of documents and of `_bulk_get`. */
export const tellingQuery = {
  revs: flag,
  revs_limit: wholeNumber(0),
  revs_from: jsonValue(z.array(z.string())),
  attachments: flag,
  atts_since: jsonValue(z.array(z.string())),
  show_exp: flag,
};

const schema = z.object(tellingQuery);

/** Throws `badRequest` for a revision in `atts_since` that is none. */
export function tellingOf(query: z.output<typeof schema>): Telling {
  return {
    attachments: query.attachments ?? false,
    attsSince: (query.atts_since ?? []).map(parseRevId),
    showExpiry: query.show_exp ?? false,
    ...(query.revs === true ? { revisions: revisionsQuery(query) } : {}),
  };
}

function revisionsQuery(query: z.output<typeof schema>): NonNullable<Telling['revisions']> {
  return {
    ...(query.revs_limit === undefined ? {} : { limit: query.revs_limit }),
    ...(query.revs_from === undefined ? {} : { from: query.revs_from }),
  };
}

/** What a request edits: `?rev=`, else `If-Match` with or without quotes. Throws `badRequest`. */
export function editedRevision(
  rev: string | undefined,
  ifMatch: string | undefined,
): RevId | undefined {
  const text = rev ?? ifMatch?.trim().replace(/^"(.*)"$/, '$1');
  return text === undefined || text === '' ? undefined : parseRevId(text);
}
