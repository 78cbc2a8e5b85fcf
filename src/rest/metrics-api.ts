import type { Route } from './route.ts';
import { getExpvar } from './routes/expvar.ts';
import { getMetrics, getMetricsOld } from './routes/metrics.ts';
import { getPing } from './routes/ping.ts';

/** Where Prometheus asks. */
export const METRICS_API: readonly Route[] = [getPing, getMetrics, getMetricsOld, getExpvar];
