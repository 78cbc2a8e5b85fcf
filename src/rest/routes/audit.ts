import { z } from 'zod';
import type { JsonObject } from '../../config/check-table.ts';
import { objectAt } from '../../config/check-table.ts';
import { empty, json } from '../answer.ts';
import type { Answer } from '../answer.ts';
import { jsonBody, noBody } from '../body.ts';
import { changeConfiguration } from '../change-configuration.ts';
import type { ChangingConfiguration } from '../change-configuration.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';
import { jsonContent, NO_CONTENT } from '../content.ts';

/** Kept as `logging.audit` of the database's configuration, which tells whether it acts. */
const auditBody = z.looseObject({
  enabled: z.boolean().optional(),
  events: z.record(z.string(), z.boolean()).optional(),
});
const base = { path: '/{db}/_config/audit', access: 'admin' } as const;

export const getAudit = route({
  ...base,
  method: 'GET',
  about: 'Which events of a database are to be audited.',
  query: noQuery,
  body: noBody,
  answers: { 200: jsonContent(auditBody) },
  handle: ({ database }) => {
    const audit = objectAt(database.record.given, 'logging', 'audit');
    return json(200, { enabled: false, events: {}, ...audit });
  },
});

export const putAudit = route({
  ...base,
  method: 'PUT',
  about: 'Replaces what is to be audited.',
  query: noQuery,
  body: jsonBody(auditBody),
  answers: { 200: NO_CONTENT },
  refuses: ['preconditionFailed'],
  handle: ({ body, ...handling }) => configure(handling, () => body),
});

export const postAudit = route({
  ...base,
  method: 'POST',
  about: 'Changes what is to be audited: what the body does not name stays.',
  query: noQuery,
  body: jsonBody(auditBody),
  answers: { 200: NO_CONTENT },
  refuses: ['preconditionFailed'],
  handle: ({ body, ...handling }) =>
    configure(handling, (audit) => ({
      ...audit,
      ...body,
      events: { ...objectAt(audit, 'events'), ...body.events },
    })),
});

async function configure(
  handling: ChangingConfiguration,
  change: (audit: JsonObject) => JsonObject,
): Promise<Answer> {
  await changeConfiguration(handling, (given) => {
    const audit = change(objectAt(given, 'logging', 'audit'));
    return { ...given, logging: { ...objectAt(given, 'logging'), audit } };
  });
  return empty(200);
}
