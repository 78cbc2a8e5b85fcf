import assert from 'node:assert/strict';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { METRICS } from '../src/observability/metric-table.ts';
import { createDatabase, PASSWORD, putUser } from './helpers/database.ts';
import type { TestDatabase } from './helpers/database.ts';
import { startTestGateway } from './helpers/gateway.ts';
import type { TestGateway } from './helpers/gateway.ts';
import { request } from './helpers/http.ts';
import type { RequestOptions } from './helpers/http.ts';
import { SocketFeed } from './helpers/socket-feed.ts';
import { until } from './helpers/until.ts';

/** Every figure that the metrics port tells: which requests move it, seen from outside. */

const NAME = 'figures';
const ANN = `ann:${PASSWORD}`;
const SYNC = `function (doc, oldDoc) {
  if (doc.refuse) throw { forbidden: 'no' };
  if (doc.break) doc.nothing.more();
  channel(doc.channels);
  access(doc.grantTo, doc.grant);
}`;

let gateway: TestGateway;
let db: TestDatabase;
let count = 0;

before(async () => {
  gateway = await startTestGateway();
  const { public: clients, admin, metrics } = gateway;
  db = await createDatabase({ urls: { public: clients, admin, metrics } }, NAME, { sync: SYNC });
  await putUser(db, 'ann', { admin_channels: ['a'] });
  await send('PUT', `${db.admin}/visible`, { json: { channels: ['a'] } });
  await send('PUT', `${db.admin}/hidden`, { json: { channels: ['b'] } });
});
after(async () => gateway?.[Symbol.asyncDispose]());

function send(method: string, url: string, options?: RequestOptions): Promise<unknown> {
  return request(method, url, options);
}

const write = (doc: object): Promise<unknown> =>
  send('PUT', `${db.admin}/d${count++}`, { json: doc });
const read = (): Promise<unknown> => send('GET', `${db.public}/visible`, { as: ANN });
const readHidden = (): Promise<unknown> => send('GET', `${db.public}/hidden`, { as: ANN });
const names = (length: number): string[] => Array.from({ length }, (_, n) => `n${n}`);

/** A feed that is told what is new while it waits. */
async function follow(change: () => Promise<unknown>): Promise<void> {
  await using feed = await SocketFeed.open(`${db.public}/_changes`, { as: ANN, options: {} });
  await feed.backlog();
  await change();
  await feed.rows();
}

const pollOnce = (): Promise<unknown> =>
  send('GET', `${db.admin}/_changes?feed=continuous&timeout=1&since=1000000`);

/** A document whose metadata somebody destroyed. */
async function readBroken(): Promise<unknown> {
  const id = `broken${count++}`;
  await send('PUT', `${db.admin}/${id}`, { json: {} });
  using bucket = new DatabaseSync(path.join(gateway.dataDir, `${NAME}.sqlite`));
  bucket.prepare('UPDATE metadata SET text = ? WHERE key = ?').run('{', id);
  return await send('GET', `${db.admin}/${id}`);
}

/** By an application. */
async function foreignWrite(body: string): Promise<void> {
  using bucket = new DatabaseSync(path.join(gateway.dataDir, `${NAME}.sqlite`), { timeout: 5000 });
  bucket.prepare('INSERT INTO documents (key, body) VALUES (?, ?)').run(`f${count++}`, body);
}

async function foreignTouch(): Promise<void> {
  using bucket = new DatabaseSync(path.join(gateway.dataDir, `${NAME}.sqlite`), { timeout: 5000 });
  bucket.exec(`UPDATE documents SET expiry = 0 WHERE key = 'visible'`);
}

type Counter = {
  [K in keyof typeof METRICS]: (typeof METRICS)[K] extends { kind: 'counter' } ? K : never;
}[keyof typeof METRICS];

/** Counter → what moves it; or why nothing does. */
const MOVED_BY: Readonly<Record<Counter, (() => Promise<unknown>) | string>> = {
  error_count: readBroken,
  warn_count: () => write({ channels: names(51) }),
  assertion_fail_count: readBroken,
  admin_net_bytes_recv: () => write({}),
  admin_net_bytes_sent: () => write({}),
  pub_net_bytes_recv: read,
  pub_net_bytes_sent: read,
  num_audits_logged: 'it has no audit log: see test/audit.test.ts',
  num_audits_filtered_by_user: 'it has no audit log: see test/audit.test.ts',
  num_audits_filtered_by_role: 'it has no audit log: see test/audit.test.ts',
  num_audits_dropped: 'it has no audit log: see test/audit.test.ts',

  num_doc_reads_rest: read,
  num_doc_reads_blip: 'no BLIP yet',
  num_doc_writes: () => write({}),
  num_doc_writes_rejected: () => write({ refuse: true }),
  doc_writes_bytes: () => write({ n: 1 }),
  doc_reads_bytes_blip: 'no BLIP yet',
  conflict_write_count: () => send('PUT', `${db.admin}/visible`, { json: {} }),
  crc32c_match_count: foreignTouch,
  dcp_received_count: () => write({}),
  dcp_caching_count: () => write({}),
  sequence_get_count: () => send('GET', `${db.admin}/`),
  sequence_incr_count: () => write({}),
  sequence_assigned_count: () => write({}),
  sequence_reserved_count: () => write({}),
  sequence_released_count: 'no sequence is given in vain',
  sync_function_count: () => write({}),
  sync_function_time: () => write({}),
  sync_function_exception_count: () => write({ break: true }),
  warn_channels_per_doc_count: () => write({ channels: names(51) }),
  warn_grants_per_doc_count: () => write({ grantTo: 'ann', grant: names(51) }),
  warn_channel_name_size_count: () => write({ channels: ['x'.repeat(251)] }),
  warn_xattr_size_count: 'the size of metadata does not matter',
  num_public_rest_requests: read,
  public_rest_bytes_read: read,
  public_rest_bytes_written: read,
  state_change_count: async () => {
    await send('POST', `${db.admin}/_offline`);
    await send('POST', `${db.admin}/_online`);
  },
  feed_lost_count: 'its file stays where it is: see the test of lost feeds',
  num_replications_total: pollOnce,
  total_sync_time: pollOnce,
  webhook_delivered_count: 'it has none: see the tests of webhooks',
  webhook_failed_count: 'it has none: see the tests of webhooks',
  webhook_dead_letter_count: 'it has none: see the tests of webhooks',
  webhook_dropped_count: 'it has none: see the tests of webhooks',
  webhook_filter_failed_count: 'it has none: see the tests of webhooks',
  num_tombstones_compacted: 'tombstones go when they are 30 days old',
  num_attachments_compacted: 'what it removes nothing names: see the test of that compaction',

  chan_cache_hits: () => follow(() => write({ channels: ['a'] })),
  chan_cache_misses: 'what is here is in memory: see the test of its own',
  chan_cache_bypass_count: 'there is no way beside the cache',
  rev_cache_hits: 'there is no revision cache',
  rev_cache_misses: 'there is no revision cache',
  num_skipped_seqs: 'no sequence is skipped',
  abandoned_seqs: 'no sequence is waited for',
  view_queries: 'there are no views',

  import_count: () => foreignWrite(`{}`),
  import_error_count: () => foreignWrite(`{"refuse":true}`),
  import_cancel_cas: 'nobody else writes: see the tests of import',
  import_processing_time: () => foreignWrite(`{}`),
  import_feed_processed_count: () => foreignWrite(`{}`),

  auth_failed_count: () => send('GET', `${db.public}/visible`, { as: 'ann:wrong' }),
  auth_success_count: read,
  total_auth_time: () => send('GET', `${db.public}/visible`, { as: 'ann:wrong' }),
  num_access_errors: readHidden,
  num_docs_rejected: () => write({ refuse: true }),

  num_pull_repl_total_continuous: 'no BLIP yet',
  num_pull_repl_total_one_shot: 'no BLIP yet',
  num_pull_repl_since_zero: 'no BLIP yet',
  request_changes_count: 'no BLIP yet',
  request_changes_time: 'no BLIP yet',
  rev_send_count: 'no BLIP yet',
  rev_send_latency: 'no BLIP yet',
  norev_send_count: 'no BLIP yet',
  rev_error_count: 'no BLIP yet',
  attachment_pull_count: 'no BLIP yet',
  attachment_pull_bytes: 'no BLIP yet',
  doc_push_count: 'no BLIP yet',
  doc_push_error_count: 'no BLIP yet',
  propose_change_count: 'no BLIP yet',
  propose_change_time: 'no BLIP yet',
  write_processing_time: 'no BLIP yet',
  attachment_push_count: 'no BLIP yet',
  attachment_push_bytes: 'no BLIP yet',
};

/** The value on the metrics port. */
async function valueOf(key: keyof typeof METRICS, database = NAME): Promise<number> {
  const metric = METRICS[key];
  const name = `sgw_${metric.group}_${'name' in metric ? metric.name : key}`;
  const label = metric.per === 'database' ? `{database="${database}"}` : '';
  const { text } = await request('GET', `${gateway.metrics}/metrics`);
  const line = text.split('\n').find((each) => each.startsWith(`${name}${label} `));
  assert.ok(line !== undefined, `${name}${label} is told`);
  return Number(line.slice(line.lastIndexOf(' ') + 1));
}

for (const [key, action] of Object.entries(MOVED_BY) as [Counter, (typeof MOVED_BY)[Counter]][]) {
  if (typeof action === 'string') continue;
  test(`${key} is moved by what it counts`, async () => {
    const start = await valueOf(key);
    // NOTE: again and again, because figures follow, and a short time may be none.
    await until(`${key} moves`, async () => {
      await action();
      return (await valueOf(key)) > start ? true : undefined;
    });
  });
}

test('chan_cache_misses is moved by what is older than the memory', async () => {
  const { public: clients, admin, metrics } = gateway;
  const create = (): Promise<TestDatabase> =>
    createDatabase({ urls: { public: clients, admin, metrics } }, 'older', { bucket: 'older' });
  const earlier = await create();
  await send('PUT', `${earlier.admin}/old`, { json: { channels: ['old'] } });
  await send('DELETE', `${earlier.admin}/`);
  const again = await create();
  await putUser(again, 'ann', { admin_channels: ['a'] });
  await using feed = await SocketFeed.open(`${again.public}/_changes`, { as: ANN, options: {} });
  await feed.backlog();
  assert.equal(await valueOf('chan_cache_misses', 'older'), 0);
  await putUser(again, 'ann', { admin_channels: ['a', 'old'] });
  await feed.rows();
  assert.ok((await valueOf('chan_cache_misses', 'older')) > 0);
});

test('what nothing moves is 0', async () => {
  for (const [key, action] of Object.entries(MOVED_BY) as [Counter, unknown][])
    if (typeof action === 'string') assert.equal(await valueOf(key), 0, key);
});

test('nothing else moves what others count', async () => {
  const rejected = await valueOf('num_docs_rejected');
  const failed = await valueOf('auth_failed_count');
  const writes = await valueOf('num_doc_writes');
  await read();
  await write({ refuse: true });
  assert.equal(await valueOf('num_docs_rejected'), rejected + 1);
  assert.equal(await valueOf('auth_failed_count'), failed);
  assert.equal(await valueOf('num_doc_writes'), writes);
});

test('gauges tell of the history, of feeds and of the process', async () => {
  const { json } = await request('GET', `${db.admin}/`);
  const { update_seq: newest } = json as { update_seq: number };
  const seqs = ['high_seq_cached', 'high_seq_stable', 'high_seq_feed'] as const;
  for (const key of [...seqs, 'last_sequence_assigned_value'] as const)
    await until(key, async () => ((await valueOf(key)) === newest ? true : undefined));
  assert.equal(await valueOf('num_replications_active'), 0);
  {
    await using feed = await SocketFeed.open(`${db.public}/_changes`, { as: ANN, options: {} });
    await feed.backlog();
    assert.equal(await valueOf('num_replications_active'), 1);
    assert.ok((await valueOf('num_active_channels')) >= 2, 'a and !');
  }
  await until('the feed is gone', async () =>
    (await valueOf('num_replications_active')) === 0 ? true : undefined,
  );
  for (const key of ['process_memory_resident', 'system_memory_total', 'num_goroutines'] as const)
    assert.ok((await valueOf(key)) > 0, key);
  const most = await valueOf('goroutines_high_watermark');
  assert.ok(most >= (await valueOf('num_goroutines')) - 1);
});

test('_expvar tells the same as a tree', async () => {
  await write({});
  const { json } = await request('GET', `${gateway.metrics}/_expvar`);
  const { syncgateway } = json as {
    syncgateway: { per_db: Record<string, Record<string, Record<string, number>>> };
  };
  const figures = syncgateway.per_db[NAME];
  assert.equal(figures?.['database']?.['num_doc_writes'], await valueOf('num_doc_writes'));
  assert.equal(figures?.['cbl_replication_push']?.['doc_push_count'], 0);
  assert.equal(figures?.['cbl_replication_pull']?.['num_replications_active'], 0);
});
