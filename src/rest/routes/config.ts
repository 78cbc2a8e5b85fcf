import { z } from 'zod';
import { databaseConfigAnswer, redactUrl } from '../../config/config-answer.ts';
import { DATABASE_OPTIONS } from '../../config/database-options.ts';
import { optionSchema } from '../../config/option-schema.ts';
import { merge, replace } from '../../database/config-change.ts';
import type { ConfigChange } from '../../database/config-change.ts';
import { configVersion } from '../../database/database-record.ts';
import { GatewayError } from '../../util/errors.ts';
import { empty, json } from '../answer.ts';
import type { Answer } from '../answer.ts';
import { jsonBody, noBody } from '../body.ts';
import { changeConfiguration } from '../change-configuration.ts';
import type { ChangingConfiguration } from '../change-configuration.ts';
import { configUpdated } from '../config-payload.ts';
import { etagOf } from '../if-match.ts';
import { withFunctions } from '../inline-functions.ts';
import { lenientFlag } from '../query.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';
import { configuration } from '../answer-schemas.ts';
import { jsonContent, NO_CONTENT } from '../content.ts';

/** Checked where it is parsed, which knows what may change. */
const configBody = jsonBody(z.unknown(), () => optionSchema(DATABASE_OPTIONS));

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
  answers: { 200: jsonContent(configuration) },
  handle: async ({ database: { name }, query, services }) => {
    refuseUnredacted(query.redact);
    const served = services.registry.served(name);
    if (query.refresh_config === true) await served.refresh();
    const database = served.current;
    const { record } = database;
    const answer = databaseConfigAnswer(database.parsedConfig, {
      includeRuntime: query.include_runtime ?? false,
      includeJavascript: query.include_javascript !== 'false',
      refresh: query.refresh_config ?? false,
      server: redactUrl(services.startup.bootstrap.server),
    });
    const times = { created_at: record.createdAt, updated_at: record.updatedAt };
    return json(200, { ...answer, ...times }, { Etag: etagOf(configVersion(record)) });
  },
  audit: () => [{ event: 'readDatabaseConfig' }],
});

export function refuseUnredacted(redact: string | undefined): void {
  if (redact === 'false')
    throw new GatewayError('badRequest', 'secrets are always hidden: redact=false is not served');
}

export const postDatabaseConfig = route({
  method: 'POST',
  path: '/{db}/_config',
  about: 'Changes the configuration of a database: what the body does not name stays.',
  access: 'admin',
  whileOffline: true,
  query: noQuery,
  body: configBody,
  answers: { 201: NO_CONTENT },
  refuses: ['preconditionFailed', 'conflict'],
  handle: async ({ body, ...handling }) =>
    configure(handling, merge(await withFunctions(body, handling.services))),
  audit: ({ body }) => configUpdated(body),
});

export const putDatabaseConfig = route({
  method: 'PUT',
  path: '/{db}/_config',
  about: 'Replaces the configuration of a database: what the body does not name has its default.',
  access: 'admin',
  whileOffline: true,
  query: noQuery,
  body: configBody,
  answers: { 201: NO_CONTENT },
  refuses: ['preconditionFailed', 'conflict'],
  handle: async ({ body, ...handling }) =>
    configure(handling, replace(await withFunctions(body, handling.services))),
  audit: ({ body }) => configUpdated(body),
});

async function configure(handling: ChangingConfiguration, change: ConfigChange): Promise<Answer> {
  return empty(201, { Etag: await changeConfiguration(handling, change) });
}
