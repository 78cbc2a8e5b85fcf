import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { createDatabase } from '../../test/helpers/database.ts';
import { FeedLines } from '../../test/helpers/feed-lines.ts';
import { request } from '../../test/helpers/http.ts';
import type { GatewayProcess } from '../../test/helpers/run-gateway.ts';
import { cpuMsOf, MemoryWatch } from '../../test/failures/process-memory.ts';
import type { Measurement } from '../report.ts';
import { order } from './samples.ts';

interface Yardstick {
  /** CPU-ms of the bare server for one request. */
  measure(): Promise<number>;
  stop(): void;
}

const MB = 1024 * 1024;
const LOOK_EVERY_MS = 100;
/** Writes whose way to a listening client is timed, and the pause between two of them, ms. */
const LATENCY_WRITES = 200;
const LATENCY_PAUSE_MS = 15;
/** Rows of a transaction: while it is open no gateway writes. */
const LOAD_ROWS = 20_000;
/** The load is timed in so many parts: whether it slows down. */
const PARTS = 10;

/** What the import of a load of `n` documents costs, and how late a single write is. */
export async function measureImport(
  gateway: GatewayProcess,
  { dataDir, n }: { readonly dataDir: string; readonly n: number },
): Promise<readonly Measurement[]> {
  const sync = 'function (doc) { channel(doc.channels); }';
  const { admin } = await createDatabase(gateway, 'imported', { sync });
  using db = new DatabaseSync(`${dataDir}/imported.sqlite`, { timeout: 60_000 });
  const latency = await measureLatency(`${admin}/_changes`, db);
  const load = await measureLoad(gateway, { admin, db, n });
  return [load, latency];
}

async function measureLoad(
  gateway: GatewayProcess,
  { admin, db, n }: { readonly admin: string; readonly db: DatabaseSync; readonly n: number },
): Promise<Measurement> {
  const { yardstick } = (await import(
    new URL('../shared/yardstick.mjs', import.meta.url).href
  )) as { readonly yardstick: () => Promise<Yardstick> };
  const stick = await yardstick();
  const before = await stick.measure();
  const insert = db.prepare('INSERT INTO documents (key, body) VALUES (?, ?)');
  const cpuBefore = cpuMsOf(gateway.pid);
  const began = performance.now();
  const partMs: number[] = [];
  let mostMb = 0;
  {
    await using memory = new MemoryWatch(gateway.pid);
    const left = db.prepare('SELECT count(*) AS count FROM foreign_writes');
    for (let loaded = 0, done = 0; done < n;) {
      for (const end = Math.min(loaded + LOAD_ROWS, n); loaded < end; loaded += 1) {
        if (!db.isTransaction) db.exec('BEGIN IMMEDIATE');
        insert.run(`load${loaded}`, JSON.stringify(order(loaded)));
      }
      if (db.isTransaction) db.exec('COMMIT');
      await sleep(LOOK_EVERY_MS);
      done = loaded - Number(left.get()?.['count']);
      const parts = Math.floor((done / n) * PARTS);
      while (partMs.length < parts) partMs.push(performance.now() - began);
    }
    mostMb = memory.most / MB;
  }
  const seconds = (performance.now() - began) / 1000;
  const cpuMs = (cpuMsOf(gateway.pid) - cpuBefore) / n;
  const unit = (before + (await stick.measure())) / 2;
  stick.stop();
  const { json } = await request('GET', `${admin}/_import`);
  if ((json as { rejected: number }).rejected > 0) throw new Error('some were refused');
  const perPart = partMs.map((ms, at) => Math.round(ms - (partMs[at - 1] ?? 0)));
  return {
    workload: 'import of 1KB docs, a load',
    n,
    seconds: round(seconds),
    per_s: Math.round(n / seconds),
    cpu_ms_per_op: round(cpuMs),
    rss_mb: Math.round(mostMb),
    ms_per_tenth: perPart,
    yardstick_ms: round(unit),
    yardsticks: round(cpuMs / unit),
  };
}

/** From the commit of a stranger's write to its row at a client that listens, ms. */
async function measureLatency(url: string, db: DatabaseSync): Promise<Measurement> {
  await using feed = await FeedLines.open(url);
  const insert = db.prepare('INSERT INTO documents (key, body) VALUES (?, ?)');
  const tookMs: number[] = [];
  for (let at = 0; at < LATENCY_WRITES; at += 1) {
    const key = `timed${at}`;
    insert.run(key, JSON.stringify(order(at)));
    const began = performance.now();
    for (let row = await feed.next(); row?.id !== key; row = await feed.next());
    tookMs.push(performance.now() - began);
    await sleep(Math.random() * 2 * LATENCY_PAUSE_MS);
  }
  const sorted = tookMs.toSorted((a, b) => a - b);
  const share = (of: number): number => round(sorted[Math.floor(of * (sorted.length - 1))] ?? 0);
  return {
    workload: 'a foreign write to a listening feed',
    n: LATENCY_WRITES,
    p50_ms: share(0.5),
    p99_ms: share(0.99),
  };
}

const round = (value: number): number => Math.round(value * 1000) / 1000;
