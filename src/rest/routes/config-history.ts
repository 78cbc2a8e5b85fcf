import { z } from 'zod';
import { givenConfigAnswer } from '../../config/config-answer.ts';
import { takeBackTo } from '../../database/config-change.ts';
import { versionNumber } from '../../database/config-history.ts';
import type { DatabaseRecord } from '../../database/database-record.ts';
import { configVersion } from '../../database/database-record.ts';
import type { ServedDatabase } from '../../database/served-database.ts';
import { GatewayError } from '../../util/errors.ts';
import { empty, json } from '../answer.ts';
import { configuration } from '../answer-schemas.ts';
import { noBody } from '../body.ts';
import { changeConfiguration } from '../change-configuration.ts';
import { jsonContent, NO_CONTENT } from '../content.ts';
import { etagOf } from '../if-match.ts';
import { wholeNumber } from '../query.ts';
import { route } from '../route.ts';

/** Former configurations of a database, which each change keeps. */

const version = z.object({
  version: z.int(),
  current: z.boolean(),
  updated_at: z.string(),
  etag: z.string(),
  changed: z.array(z.string()),
  config: configuration,
});

export const getConfigHistory = route({
  method: 'GET',
  path: '/{db}/_config/history',
  about:
    'The configurations that a database had, the newest first: the last 50, and what each changed. ' +
    '`version=N`: that one alone.',
  access: 'admin',
  whileOffline: true,
  query: z.object({ version: wholeNumber(1) }),
  body: noBody,
  answers: { 200: jsonContent(z.union([z.object({ versions: z.array(version) }), version])) },
  handle: async ({ database, query, services }) => {
    const served = services.registry.served(database.name);
    if (query.version !== undefined)
      return json(200, shown(await served.keptVersion(query.version), served));
    const versions = await served.versions();
    return json(200, { versions: versions.toReversed().map((record) => shown(record, served)) });
  },
  audit: () => [{ event: 'readDatabaseConfig' }],
});

export const postConfigRollback = route({
  method: 'POST',
  path: '/{db}/_config/rollback',
  about:
    'Gives a database the configuration that version `to` had, as a new version. Whether it is ' +
    'offline stays as it is.',
  access: 'admin',
  whileOffline: true,
  query: z.object({ to: wholeNumber(1) }),
  body: noBody,
  answers: { 201: NO_CONTENT },
  refuses: ['preconditionFailed', 'conflict', 'missing'],
  handle: async (handling) => {
    const served = handling.services.registry.served(handling.database.name);
    const { to } = handling.query;
    if (to === undefined)
      throw new GatewayError('badRequest', 'to: must name a version of _config/history');
    const { given } = await served.keptVersion(to);
    return empty(201, { Etag: await changeConfiguration(handling, takeBackTo(given)) });
  },
  audit: ({ query }) => [
    {
      event: 'updateDatabaseConfig',
      fields: { payload: JSON.stringify({ rollback_to: query.to }) },
    },
  ],
});

function shown(record: DatabaseRecord, served: ServedDatabase): z.output<typeof version> {
  const etag = configVersion(record);
  return {
    version: versionNumber(record),
    current: etag === served.version,
    updated_at: record.updatedAt,
    etag: etagOf(etag),
    changed: [...(record.changed ?? [])],
    config: givenConfigAnswer(record.given, { name: served.name, bucket: served.bucketName }),
  };
}
