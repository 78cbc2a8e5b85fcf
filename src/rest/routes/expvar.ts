import type { MetricTree } from '../../observability/metrics.ts';
import { memoryStatistics } from '../../observability/process-memory.ts';
import { json } from '../answer.ts';
import type { Told } from '../audited-answer.ts';
import { noBody } from '../body.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';
import { z } from 'zod';
import { jsonContent } from '../content.ts';

export const getExpvar = route({
  method: 'GET',
  path: '/_expvar',
  about: 'The figures of the gateway and its databases as one JSON tree.',
  access: 'public',
  query: noQuery,
  body: noBody,
  answers: { 200: jsonContent(z.looseObject({ syncgateway: z.looseObject({}) })) },
  handle: ({ services }) => {
    const { gateway, databases } = services.metrics.tree();
    return json(200, {
      cmdline: process.argv,
      memstats: memoryStatistics(),
      syncgateway: {
        global: {
          resource_utilization: inNanoseconds(gateway['resource_utilization'] ?? {}),
          audit: gateway['audit'],
        },
        per_db: mapValues(databases, withTreeNames),
        per_replication: {},
      },
    });
  },
  audit: () => statsRead('expvar'),
});

export const getStats = route({
  method: 'GET',
  path: '/_stats',
  about: 'The memory of the process.',
  access: 'admin',
  query: noQuery,
  body: noBody,
  answers: { 200: jsonContent(z.object({ MemStats: z.record(z.string(), z.number()) })) },
  handle: () => json(200, { MemStats: memoryStatistics() }),
  audit: () => statsRead('memstats'),
});

export function statsRead(format: string): readonly Told[] {
  return [{ event: 'statsRead', fields: { stats_format: format } }];
}

type Figures = MetricTree['gateway'];

const NS_PER_SEC = 1_000_000_000;

/** As in the reference, this figure has another unit in the tree. */
function inNanoseconds(figures: Readonly<Record<string, number>>): typeof figures {
  return { ...figures, uptime: Math.round((figures['uptime'] ?? 0) * NS_PER_SEC) };
}

/** Two groups have longer names in the tree. */
function withTreeNames({ replication_pull: pull, replication_push: push, ...rest }: Figures) {
  return { ...rest, cbl_replication_pull: pull, cbl_replication_push: push };
}

function mapValues<T, U>(
  record: Readonly<Record<string, T>>,
  change: (value: T) => U,
): Readonly<Record<string, U>> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}
