import { z } from 'zod';
import { isLogKey } from '../../observability/log.ts';
import type { LogLevel } from '../../observability/log.ts';
import type { LogSettings } from '../../observability/pino-log.ts';
import { empty, json } from '../answer.ts';
import type { Answer } from '../answer.ts';
import { noBody, optionalJsonBody } from '../body.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';
import { jsonContent, NO_CONTENT } from '../content.ts';

const LEVELS = ['none', 'error', 'warn', 'info', 'debug', 'trace'] as const satisfies LogLevel[];

/** Keys of the log: which are written, and which not. Unknown ones are passed over. */
const keys = z.record(z.string(), z.boolean());
type Keys = z.output<typeof keys>;

const query = z.object({ logLevel: z.enum(LEVELS).optional() });

export const getLogging = route({
  method: 'GET',
  path: '/_logging',
  about: 'The keys whose lines are written to the log.',
  access: 'admin',
  query: noQuery,
  body: noBody,
  answers: { 200: jsonContent(keys) },
  handle: ({ services }) => {
    const written = [...services.logSettings.keys].map((key) => [key, true] as const);
    return json(200, Object.fromEntries(written));
  },
});

export const postLogging = route({
  method: 'POST',
  path: '/_logging',
  about: 'Switches keys on and off, and the level of the log to `logLevel`.',
  access: 'admin',
  query,
  body: optionalJsonBody(keys),
  answers: { 200: NO_CONTENT },
  handle: ({ services: { logSettings }, query: { logLevel }, body }) =>
    change(logSettings, logLevel, { body, from: logSettings.keys }),
});

export const putLogging = route({
  method: 'PUT',
  path: '/_logging',
  about: 'As POST; keys that are not named are off.',
  access: 'admin',
  query,
  body: optionalJsonBody(keys),
  answers: { 200: NO_CONTENT },
  handle: ({ services: { logSettings }, query: { logLevel }, body }) =>
    change(logSettings, logLevel, { body, from: [] }),
});

function change(
  settings: LogSettings,
  level: LogLevel | undefined,
  { body, from }: { readonly body: Keys | undefined; readonly from: Iterable<string> },
): Answer {
  if (level !== undefined) settings.level = level;
  if (body !== undefined) {
    const written = new Set(from);
    for (const [key, isOn] of Object.entries(body)) {
      if (!isLogKey(key)) continue;
      if (isOn) written.add(key);
      else written.delete(key);
    }
    settings.keys = written;
  }
  return empty(200);
}
