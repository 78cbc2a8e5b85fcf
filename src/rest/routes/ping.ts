import { text } from '../answer.ts';
import { noBody } from '../body.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';

export const getPing = route({
  method: 'GET',
  path: '/_ping',
  about: 'Whether the process answers.',
  access: 'public',
  query: noQuery,
  body: noBody,
  answers: { 200: { 'text/plain': null } },
  handle: () => text(200, 'text/plain; charset=utf-8', 'OK'),
});
