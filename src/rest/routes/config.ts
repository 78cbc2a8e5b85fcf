import { createHash } from 'node:crypto';
import { z } from 'zod';
import { databaseConfigAnswer } from '../../config/config-answer.ts';
import { GatewayError } from '../../util/errors.ts';
import { json } from '../answer.ts';
import { noBody } from '../body.ts';
import { lenientFlag } from '../query.ts';
import { route } from '../route.ts';

export const getDatabaseConfig = route({
  method: 'GET',
  path: '/{db}/_config',
  about: 'The configuration of a database as it was given; `include_runtime=true` adds defaults.',
  access: 'admin',
  whileOffline: true,
  query: z.object({
    redact: z.string().optional(),
    include_runtime: lenientFlag,
    include_javascript: z.string().optional(),
    refresh_config: lenientFlag,
  }),
  body: noBody,
  handle: ({ database, query }) => {
    if (query.redact === 'false')
      throw new GatewayError('badRequest', 'secrets are always hidden: redact=false is not served');
    const { record } = database;
    const answer = databaseConfigAnswer(database.parsedConfig, {
      includeRuntime: query.include_runtime ?? false,
      includeJavascript: query.include_javascript !== 'false',
      refresh: query.refresh_config ?? false,
    });
    const times = { created_at: record.createdAt, updated_at: record.updatedAt };
    return json(200, { ...answer, ...times }, { Etag: `"${versionOf(record)}"` });
  },
});

/** Another one for every change of the stored configuration. */
function versionOf(record: object): string {
  return createHash('sha256').update(JSON.stringify(record)).digest('hex').slice(0, 32);
}
