import { text } from '../answer.ts';
import type { Answer } from '../answer.ts';
import { noBody } from '../body.ts';
import type { RestServices } from '../rest-services.ts';
import { route } from '../route.ts';
import { statsRead } from './expvar.ts';
import { noQuery } from './no-query.ts';

const PROMETHEUS_TEXT = 'text/plain; version=0.0.4; charset=utf-8';

const figures = async ({ services }: { readonly services: RestServices }): Promise<Answer> =>
  text(200, PROMETHEUS_TEXT, await services.metrics.text());

export const getMetrics = route({
  method: 'GET',
  path: '/metrics',
  about: 'The figures of the gateway and its databases, for Prometheus.',
  access: 'public',
  query: noQuery,
  body: noBody,
  answers: { 200: { 'text/plain': null } },
  handle: figures,
  audit: () => statsRead('prometheus'),
});

export const getMetricsOld = route({
  method: 'GET',
  path: '/_metrics',
  about: 'The older name of `/metrics`.',
  access: 'public',
  query: noQuery,
  body: noBody,
  answers: { 200: { 'text/plain': null } },
  handle: figures,
  audit: () => statsRead('prometheus'),
});
