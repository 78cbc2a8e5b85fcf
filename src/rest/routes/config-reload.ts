import { z } from 'zod';
import { json } from '../answer.ts';
import { noBody } from '../body.ts';
import { jsonContent } from '../content.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';

const names = z.array(z.string());

export const postConfigReload = route({
  method: 'POST',
  path: '/_config/reload',
  about:
    'Reads the start-up file again: its databases, and level and keys of the log. What else has ' +
    'changed in it (`restart_needed`) acts after a restart.',
  access: 'admin',
  query: noQuery,
  body: noBody,
  answers: {
    200: jsonContent(
      z.object({
        databases: z.object({ added: names, changed: names, removed: names }),
        restart_needed: names,
      }),
    ),
  },
  refuses: ['unavailable'],
  handle: async ({ services }) => {
    const { databases, restartNeeded } = await services.reload();
    return json(200, { databases, restart_needed: restartNeeded });
  },
});
