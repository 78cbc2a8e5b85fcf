import { z } from 'zod';
import {
  databaseConfigAnswer,
  redactUrl,
  startupConfigAnswer,
} from '../../config/config-answer.ts';
import type { JsonObject } from '../../config/check-table.ts';
import { optionSchema } from '../../config/option-schema.ts';
import { parseRuntimeChange, RUNTIME_OPTIONS } from '../../config/runtime-change.ts';
import { empty, json } from '../answer.ts';
import { jsonBody, noBody } from '../body.ts';
import { lenientFlag } from '../query.ts';
import type { RestServices } from '../rest-services.ts';
import { route } from '../route.ts';
import { refuseUnredacted } from './config.ts';
import { noQuery } from './no-query.ts';
import { configuration } from '../answer-schemas.ts';
import { jsonContent, NO_CONTENT } from '../content.ts';

export const getServerConfig = route({
  method: 'GET',
  path: '/_config',
  about:
    'What the gateway was started with; `include_runtime=true` adds defaults, what changed since, ' +
    'and the databases.',
  access: 'admin',
  query: z.object({ redact: z.string().optional(), include_runtime: lenientFlag }),
  body: noBody,
  answers: { 200: jsonContent(configuration) },
  handle: ({ query, services }) => {
    refuseUnredacted(query.redact);
    const { startup } = services;
    if (query.include_runtime !== true) return json(200, startupConfigAnswer(startup));
    const { level, keys } = services.logSettings;
    const answer = startupConfigAnswer(startup, {
      includeRuntime: true,
      console: { logLevel: level, logKeys: [...keys] },
    });
    return json(200, { ...answer, databases: databaseConfigs(services) });
  },
});

export const putServerConfig = route({
  method: 'PUT',
  path: '/_config',
  about: 'Changes what may change while the gateway runs: level and keys of the log.',
  access: 'admin',
  query: noQuery,
  body: jsonBody(z.unknown(), () => optionSchema(RUNTIME_OPTIONS)),
  answers: { 200: NO_CONTENT },
  handle: ({ body, services, log }) => {
    const { logLevel, logKeys } = parseRuntimeChange(body);
    const { logSettings } = services;
    if (logLevel !== undefined) logSettings.level = logLevel;
    if (logKeys !== undefined) logSettings.keys = new Set(logKeys);
    log.with({ key: 'Config' }).info?.('configuration changed', { logLevel, logKeys });
    return empty(200);
  },
});

function databaseConfigs({
  registry,
  startup,
}: RestServices): Readonly<Record<string, JsonObject>> {
  const server = redactUrl(startup.bootstrap.server);
  const configs: Record<string, JsonObject> = {};
  for (const { name } of registry.list()) {
    const database = registry.get(name);
    if (database === undefined) continue;
    configs[name] = databaseConfigAnswer(database.parsedConfig, { includeRuntime: true, server });
  }
  return configs;
}
