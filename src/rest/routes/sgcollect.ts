import { json } from '../answer.ts';
import { noBody } from '../body.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';
import { z } from 'zod';
import { jsonContent } from '../content.ts';

export const getDiagnostics = route({
  method: 'GET',
  path: '/_sgcollect_info',
  about: 'Whether diagnostics are being collected: never, nothing starts that yet.',
  access: 'admin',
  query: noQuery,
  body: noBody,
  answers: { 200: jsonContent(z.object({ status: z.string() })) },
  handle: () => json(200, { status: 'stopped' }),
  audit: () => [{ event: 'diagnosticsStatusRead' }],
});
