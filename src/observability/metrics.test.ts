import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from './log.ts';
import { METRICS } from './metric-table.ts';
import { createMetrics } from './metrics.ts';
import { authenticated, documentRejected, documentWritten, syncFunctionRan } from './events.ts';

const clock = { now: () => 1_000_000, sleep: () => Promise.resolve() };

test('a database has every figure from the start, at zero', async () => {
  const metrics = createMetrics({ clock });
  metrics.addDatabase('app');
  const text = await metrics.text();
  for (const [key, metric] of Object.entries(METRICS)) {
    const name = `sgw_${metric.group}_${'name' in metric ? metric.name : key}`;
    const label = metric.per === 'database' ? '{database="app"}' : '';
    assert.match(text, new RegExp(`^# TYPE ${name} ${metric.kind}$`, 'm'));
    assert.ok(text.includes(`\n${name}${label} `), `${name}${label} is told`);
  }
  assert.match(text, /^sgw_up 1$/m);
});

test('counts are told with the label of their database, and only of those that are there', async () => {
  const metrics = createMetrics({ clock });
  metrics.addDatabase('a');
  metrics.addDatabase('b"\\\n');
  metrics.count('num_doc_writes', 'a');
  metrics.count('num_doc_writes', 'a', 2);
  metrics.count('num_doc_writes', 'b"\\\n', 5);
  metrics.count('num_doc_writes', 'nosuch');
  const text = await metrics.text();
  assert.match(text, /^sgw_database_num_doc_writes\{database="a"\} 3$/m);
  assert.match(text, /^sgw_database_num_doc_writes\{database="b\\"\\\\\\n"\} 5$/m);
  assert.doesNotMatch(text, /nosuch/);
  metrics.removeDatabase('a');
  assert.doesNotMatch(await metrics.text(), /database="a"/);
});

test('a gauge that is raised keeps the most', async () => {
  const metrics = createMetrics({ clock });
  metrics.addDatabase('a');
  for (const to of [3, 7, 5]) metrics.raise('import_high_seq', 'a', to);
  const text = await metrics.text();
  assert.match(text, /^sgw_shared_bucket_import_import_high_seq\{database="a"\} 7$/m);
});

test('counters rise from one reading to the next, and are not added up twice', async () => {
  const metrics = createMetrics({ clock });
  metrics.countGateway('pub_net_bytes_recv', 10);
  assert.match(await metrics.text(), /^sgw_resource_utilization_pub_net_bytes_recv 10$/m);
  metrics.countGateway('pub_net_bytes_recv', 5);
  assert.match(await metrics.text(), /^sgw_resource_utilization_pub_net_bytes_recv 15$/m);
});

test('gauges are read when somebody asks', async () => {
  const metrics = createMetrics({ clock });
  metrics.addDatabase('a');
  let seq = 1;
  metrics.readFrom('high_seq_cached', 'a', () => seq);
  seq = 12;
  assert.match(await metrics.text(), /^sgw_cache_high_seq_cached\{database="a"\} 12$/m);
});

test('two gateways in one process count apart', async () => {
  const [one, two] = [createMetrics({ clock }), createMetrics({ clock })];
  one.countGateway('admin_net_bytes_sent', 7);
  assert.match(await two.text(), /^sgw_resource_utilization_admin_net_bytes_sent 0$/m);
});

test('errors and warnings are those that the log counts', async () => {
  const lines = { error: 3, warn: 0 };
  const metrics = createMetrics({ clock, lines });
  lines.warn = 4;
  const text = await metrics.text();
  assert.match(text, /^sgw_resource_utilization_error_count 3$/m);
  assert.match(text, /^sgw_resource_utilization_warn_count 4$/m);
});

test('an event counts what it is', () => {
  const metrics = createMetrics({ clock });
  metrics.addDatabase('a');
  const to = { database: 'a', log: silentLog, metrics };
  const attachments = { before: {}, after: {} };
  const kind = 'createDocument';
  documentWritten(to, { id: 'd', rev: '1-a', bytes: 100, seq: 1, kind, attachments });
  documentRejected(to, { id: 'd', kind: 'forbidden', reason: 'no' });
  syncFunctionRan(to, { id: 'd', elapsedMs: 0.5 });
  syncFunctionRan(to, { id: 'd', elapsedMs: 1, error: new Error('broke') });
  const by = { by: 'basic', sender: undefined } as const;
  authenticated(to, { ok: true, user: 'ann', elapsedMs: 1, ...by });
  authenticated(to, { ok: false, user: 'bob', elapsedMs: 2, ...by });
  const expected = {
    num_doc_writes: 1,
    doc_writes_bytes: 100,
    sequence_assigned_count: 1,
    num_doc_writes_rejected: 1,
    num_docs_rejected: 1,
    sync_function_count: 2,
    sync_function_time: 1_500_000,
    sync_function_exception_count: 1,
    auth_success_count: 1,
    auth_failed_count: 1,
    total_auth_time: 3_000_000,
  } as const;
  for (const name of Object.keys(expected) as (keyof typeof expected)[]) {
    assert.equal(metrics.value(name, 'a'), expected[name], name);
  }
});

/** The reference's names, of those groups that this product has figures of. */
const REFERENCE: Readonly<Record<string, string>> = {
  audit: `num_audits_logged num_audits_filtered_by_user num_audits_filtered_by_role`,
  resource_utilization: `error_count warn_count uptime admin_net_bytes_recv admin_net_bytes_sent
    pub_net_bytes_recv pub_net_bytes_sent assertion_fail_count num_goroutines
    goroutines_high_watermark process_cpu_percent_utilization process_memory_resident
    system_memory_total go_memstats_sys go_memstats_heapalloc go_memstats_heapinuse
    go_memstats_heapidle`,
  cache: `abandoned_seqs chan_cache_hits chan_cache_misses chan_cache_bypass_count
    chan_cache_channels_added chan_cache_compact_count rev_cache_hits rev_cache_misses
    rev_cache_bypass view_queries num_skipped_seqs non_mobile_ignored_count
    chan_cache_num_channels chan_cache_max_entries chan_cache_active_revs chan_cache_removal_revs
    chan_cache_tombstone_revs high_seq_cached high_seq_stable pending_seq_len skipped_seq_len
    num_active_channels revision_cache_num_items`,
  database: `num_doc_reads_rest num_doc_reads_blip num_doc_writes num_doc_writes_rejected
    doc_writes_bytes doc_reads_bytes_blip conflict_write_count crc32c_match_count
    dcp_received_count dcp_caching_count sequence_get_count sequence_incr_count
    sequence_assigned_count sequence_reserved_count sequence_released_count sync_function_count
    sync_function_time sync_function_exception_count total_sync_time num_replications_total
    num_tombstones_compacted num_attachments_compacted num_public_rest_requests
    public_rest_bytes_read public_rest_bytes_written num_replications_active high_seq_feed
    last_sequence_assigned_value tombstone_count warn_channels_per_doc_count
    warn_grants_per_doc_count warn_channel_name_size_count warn_xattr_size_count`,
  security: `auth_failed_count auth_success_count num_access_errors num_docs_rejected
    total_auth_time`,
  replication_pull: `num_replications_active attachment_pull_bytes attachment_pull_count
    num_pull_repl_total_continuous num_pull_repl_total_one_shot num_pull_repl_since_zero
    request_changes_count request_changes_time rev_send_count rev_send_latency norev_send_count
    rev_error_count num_pull_repl_active_continuous num_pull_repl_active_one_shot
    num_pull_repl_caught_up max_pending`,
  shared_bucket_import: `import_count import_error_count import_cancel_cas import_processing_time
    import_feed_processed_count import_high_seq import_partitions`,
  replication_push: `attachment_push_bytes attachment_push_count doc_push_count
    doc_push_error_count propose_change_count propose_change_time write_processing_time`,
};

/** Figures for which the reference has no name. */
const OWN =
  /^(?:num_audits_dropped|feed_lost_count|import_lag|import_lag_secs|state_change_count|webhook_\w+)$/;

test('every name is one of the reference, or one of ours for which it has none', () => {
  for (const [key, metric] of Object.entries(METRICS)) {
    if (OWN.test(key)) continue;
    const names = (REFERENCE[metric.group] ?? '').split(/\s+/);
    assert.ok(names.includes('name' in metric ? metric.name : key), key);
  }
});
