import { z } from 'zod';
import { json } from '../answer.ts';
import { noBody } from '../body.ts';
import { lenientFlag } from '../query.ts';
import { route } from '../route.ts';
import { bucketsInTroubleAnswer } from '../state-answer.ts';
import { bucketInTrouble, databaseState } from '../answer-schemas.ts';
import { jsonContent } from '../content.ts';

const listed = databaseState.extend({ db_name: z.string(), bucket: z.string() });

export const getAllDbs = route({
  method: 'GET',
  path: '/_all_dbs',
  about:
    'Names of the databases, sorted; `verbose=true`: with buckets and states, and the buckets ' +
    'that cannot be opened.',
  access: 'admin',
  query: z.object({ verbose: lenientFlag }),
  body: noBody,
  answers: { 200: jsonContent(z.array(z.union([z.string(), listed, bucketInTrouble]))) },
  handle: ({ query, services }) => {
    const databases = services.registry.list();
    if (query.verbose !== true)
      return json(
        200,
        databases.map(({ name }) => name),
      );
    return json(200, [
      ...databases.map(({ name, bucket, state }) => ({ db_name: name, bucket, state })),
      ...bucketsInTroubleAnswer(services.registry),
    ]);
  },
  audit: ({ services }) => {
    const db_names = services.registry.list().map(({ name }) => name);
    return [{ event: 'readAllDatabases', fields: { db_names } }];
  },
});
