import { totalmem } from 'node:os';
import { Counter, Gauge, Registry } from 'prom-client';
import type { Clock } from '../util/clock.ts';
import { Figures } from './figures.ts';
import type { DatabaseCounter, DatabaseGauge, GatewayCounter, Metric } from './metric-table.ts';
import { METRICS } from './metric-table.ts';

/** The figures of one gateway. Counting is an addition; the rest is done when somebody asks. */
export interface Metrics {
  /** From now on the database is told of, with zeros; without it, counting is in vain. */
  addDatabase(database: string): void;
  /** Its figures are forgotten. */
  removeDatabase(database: string): void;
  count(name: DatabaseCounter, database: string, amount?: number): void;
  /** A gauge that is kept here: it moves by so much. */
  move(name: DatabaseGauge, database: string, by: number): void;
  /** A gauge that is kept here: it is at least so much from now on. */
  raise(name: DatabaseGauge, database: string, to: number): void;
  /**
   * A figure that is kept elsewhere: `read` is asked whenever somebody asks; it must be quick. Gone
   * with the database.
   */
  readFrom(name: DatabaseGauge | DatabaseCounter, database: string, read: () => number): void;
  countGateway(name: GatewayCounter, amount?: number): void;
  value(name: DatabaseCounter, database: string): number;
  /** Prometheus’ text form, version 0.0.4. */
  text(): Promise<string>;
  /** The same as a tree of group and name, for `_expvar`. */
  tree(): MetricTree;
}

export interface MetricTree {
  readonly gateway: FiguresByGroup;
  readonly databases: Readonly<Record<string, FiguresByGroup>>;
}

type FiguresByGroup = Readonly<Record<string, Readonly<Record<string, number>>>>;

export interface MetricsOptions {
  readonly clock: Clock;
  /** Lines logged so far: `LogSettings.lines`. */
  readonly lines?: { readonly error: number; readonly warn: number };
}

interface DatabaseFigures {
  /** Of gauges that move, too. */
  readonly counts: Figures;
  readonly readings: Map<string, () => number>;
}

const PLACES = Figures.placesOf(Object.keys(METRICS));

export function createMetrics(options: MetricsOptions): Metrics {
  return new PrometheusMetrics(options);
}

class PrometheusMetrics implements Metrics {
  readonly #registry = new Registry();
  readonly #databases = new Map<string, DatabaseFigures>();
  readonly #counts = new Figures(PLACES);
  readonly #gatewayGauges: ReadonlyMap<string, () => number>;

  constructor(options: MetricsOptions) {
    this.#gatewayGauges = processGauges(options);
    for (const [key, metric] of Object.entries(METRICS)) this.#register(key, metric);
    const up = new Gauge({
      name: 'sgw_up',
      help: 'Whether it is up.',
      registers: [this.#registry],
    });
    up.set(1);
  }

  addDatabase(database: string): void {
    if (this.#databases.has(database)) return;
    this.#databases.set(database, { counts: new Figures(PLACES), readings: new Map() });
  }

  removeDatabase(database: string): void {
    this.#databases.delete(database);
  }

  count(name: DatabaseCounter, database: string, amount = 1): void {
    this.#databases.get(database)?.counts.add(name, amount);
  }

  move(name: DatabaseGauge, database: string, by: number): void {
    this.#databases.get(database)?.counts.add(name, by);
  }

  raise(name: DatabaseGauge, database: string, to: number): void {
    this.#databases.get(database)?.counts.raise(name, to);
  }

  readFrom(name: DatabaseGauge | DatabaseCounter, database: string, read: () => number): void {
    this.#databases.get(database)?.readings.set(name, read);
  }

  countGateway(name: GatewayCounter, amount = 1): void {
    this.#counts.add(name, amount);
  }

  value(name: DatabaseCounter, database: string): number {
    return this.#databases.get(database)?.counts.get(name) ?? 0;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  tree(): MetricTree {
    const gateway: Record<string, Record<string, number>> = {};
    const databases: Record<string, Record<string, Record<string, number>>> = {};
    for (const name of this.#databases.keys()) databases[name] = {};
    for (const [key, metric] of Object.entries(METRICS) as [string, Metric][]) {
      for (const { labels, value } of this.#readings(key, metric)) {
        const { database } = labels;
        const groups = database === undefined ? gateway : (databases[database] ?? {});
        (groups[metric.group] ??= {})[metric.name ?? key] = value;
      }
    }
    return { gateway, databases };
  }

  #register(key: string, metric: Metric): void {
    const name = `sgw_${metric.group}_${metric.name ?? key}`;
    const help = `${metric.about} (${metric.unit})`;
    const readings = () => this.#readings(key, metric);
    const registers = [this.#registry];
    const labelNames = metric.per === 'database' ? ['database'] : [];
    if (metric.kind === 'gauge') {
      new Gauge({
        name,
        help,
        registers,
        labelNames,
        collect() {
          this.reset();
          for (const { labels, value } of readings()) this.set(labels, value);
        },
      });
      return;
    }
    new Counter({
      name,
      help,
      registers,
      labelNames,
      collect() {
        this.reset();
        for (const { labels, value } of readings()) this.inc(labels, value);
      },
    });
  }

  #readings(key: string, metric: Metric): { labels: Record<string, string>; value: number }[] {
    if (metric.per === 'gateway') {
      const value = this.#gatewayGauges.get(key)?.() ?? this.#counts.get(key);
      return [{ labels: {}, value: finite(value) }];
    }
    return [...this.#databases].map(([database, { readings, counts }]) => ({
      labels: { database },
      value: finite(readings.get(key)?.() ?? counts.get(key)),
    }));
  }
}

function processGauges({ clock, lines }: MetricsOptions): ReadonlyMap<string, () => number> {
  const startedAt = clock.now();
  let asked = { at: startedAt, cpu: process.cpuUsage() };
  let handlesMost = 0;
  const handles = (): number => {
    const count = process.getActiveResourcesInfo().length;
    handlesMost = Math.max(handlesMost, count);
    return count;
  };
  return new Map<string, () => number>([
    ['error_count', () => lines?.error ?? 0],
    ['warn_count', () => lines?.warn ?? 0],
    ['uptime', () => (clock.now() - startedAt) / 1000],
    ['num_goroutines', handles],
    ['goroutines_high_watermark', () => Math.max(handlesMost, handles())],
    [
      'process_cpu_percent_utilization',
      () => {
        const cpu = process.cpuUsage(asked.cpu);
        const elapsedMs = Math.max(1, clock.now() - asked.at);
        asked = { at: clock.now(), cpu: process.cpuUsage() };
        return (cpu.user + cpu.system) / 10 / elapsedMs;
      },
    ],
    ['process_memory_resident', () => process.memoryUsage.rss()],
    ['system_memory_total', () => totalmem()],
    ['go_memstats_sys', () => process.memoryUsage.rss()],
    ['go_memstats_heapalloc', () => process.memoryUsage().heapUsed],
    ['go_memstats_heapinuse', () => process.memoryUsage().heapUsed],
    ['go_memstats_heapidle', () => idleHeap(process.memoryUsage())],
  ]);
}

const idleHeap = ({ heapTotal, heapUsed }: NodeJS.MemoryUsage): number => heapTotal - heapUsed;

function finite(value: number): number {
  return Number.isFinite(value) ? value : 0;
}
