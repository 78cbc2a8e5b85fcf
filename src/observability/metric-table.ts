/**
 * Every figure that the gateway tells, described once. Names, groups and units are the reference's
 * (`admin.md` §12), so that dashboards go on working; a test compares them with its list.
 */
export interface Metric {
  readonly group: MetricGroup;
  readonly kind: 'counter' | 'gauge';
  /** `gateway`: one value; `database`: one for each database, with the label `database`. */
  readonly per: 'gateway' | 'database';
  readonly unit: string;
  readonly about: string;
  /** The name in the exposition, where it is not the key: a name may stand in two groups. */
  readonly name?: string;
}

export type MetricGroup =
  | 'audit'
  | 'cache'
  | 'database'
  | 'replication_pull'
  | 'replication_push'
  | 'resource_utilization'
  | 'security'
  | 'shared_bucket_import';

const GATEWAY = { group: 'resource_utilization', per: 'gateway' } as const;
const AUDIT = { group: 'audit', per: 'gateway' } as const;
const DATABASE = { group: 'database', per: 'database' } as const;
const CACHE = { group: 'cache', per: 'database' } as const;
const SECURITY = { group: 'security', per: 'database' } as const;
const PULL = { group: 'replication_pull', per: 'database' } as const;
const PUSH = { group: 'replication_push', per: 'database' } as const;
const IMPORT = { group: 'shared_bucket_import', per: 'database' } as const;
const COUNTER = { kind: 'counter' } as const;
const GAUGE = { kind: 'gauge' } as const;

export const METRICS = {
  num_audits_logged: { ...AUDIT, ...COUNTER, unit: 'events', about: 'Told in the audit log.' },
  num_audits_filtered_by_user: {
    ...AUDIT,
    ...COUNTER,
    unit: 'events',
    about: 'Not told, as of a user in `disabled_users`.',
  },
  num_audits_filtered_by_role: {
    ...AUDIT,
    ...COUNTER,
    unit: 'events',
    about: 'The same by `disabled_roles`.',
  },
  num_audits_dropped: {
    ...AUDIT,
    ...COUNTER,
    unit: 'events',
    about: 'Lost, as the file could not be written: also among those that were told.',
  },
  error_count: { ...GATEWAY, ...COUNTER, unit: 'lines', about: 'Errors logged.' },
  warn_count: { ...GATEWAY, ...COUNTER, unit: 'lines', about: 'Warnings logged.' },
  assertion_fail_count: {
    ...GATEWAY,
    ...COUNTER,
    unit: 'requests',
    about: 'Answered 500, because of a bug or a broken store.',
  },
  uptime: { ...GATEWAY, ...GAUGE, unit: 'seconds', about: 'Since the start of the gateway.' },
  admin_net_bytes_recv: {
    ...GATEWAY,
    ...COUNTER,
    unit: 'bytes',
    about: 'Received by the admin interface.',
  },
  admin_net_bytes_sent: { ...GATEWAY, ...COUNTER, unit: 'bytes', about: 'Sent by it.' },
  pub_net_bytes_recv: {
    ...GATEWAY,
    ...COUNTER,
    unit: 'bytes',
    about: 'Received by the public interface.',
  },
  pub_net_bytes_sent: { ...GATEWAY, ...COUNTER, unit: 'bytes', about: 'Sent by it.' },
  num_goroutines: {
    ...GATEWAY,
    ...GAUGE,
    unit: 'handles',
    about: 'What the event loop waits for: the nearest that Node has to goroutines.',
  },
  goroutines_high_watermark: {
    ...GATEWAY,
    ...GAUGE,
    unit: 'handles',
    about: 'The most of them, of the times it was asked.',
  },
  process_cpu_percent_utilization: {
    ...GATEWAY,
    ...GAUGE,
    unit: 'percent',
    about: 'CPU of the process since the last time it was asked; 100 is one core.',
  },
  process_memory_resident: { ...GATEWAY, ...GAUGE, unit: 'bytes', about: 'Resident memory.' },
  system_memory_total: { ...GATEWAY, ...GAUGE, unit: 'bytes', about: 'Memory of the machine.' },
  go_memstats_sys: { ...GATEWAY, ...GAUGE, unit: 'bytes', about: 'Memory from the system.' },
  go_memstats_heapalloc: { ...GATEWAY, ...GAUGE, unit: 'bytes', about: 'Heap in use.' },
  go_memstats_heapinuse: { ...GATEWAY, ...GAUGE, unit: 'bytes', about: 'Heap in use.' },
  go_memstats_heapidle: { ...GATEWAY, ...GAUGE, unit: 'bytes', about: 'Heap that waits for use.' },

  num_doc_reads_rest: { ...DATABASE, ...COUNTER, unit: 'documents', about: 'Read over REST.' },
  num_doc_reads_blip: { ...DATABASE, ...COUNTER, unit: 'documents', about: 'Read over BLIP.' },
  num_doc_writes: { ...DATABASE, ...COUNTER, unit: 'documents', about: 'Written, over every API.' },
  num_doc_writes_rejected: {
    ...DATABASE,
    ...COUNTER,
    unit: 'documents',
    about: 'Refused by the sync function.',
  },
  doc_writes_bytes: { ...DATABASE, ...COUNTER, unit: 'bytes', about: 'Bodies written.' },
  doc_reads_bytes_blip: { ...DATABASE, ...COUNTER, unit: 'bytes', about: 'Bodies read over BLIP.' },
  conflict_write_count: { ...DATABASE, ...COUNTER, unit: 'writes', about: 'Refused as conflicts.' },
  crc32c_match_count: {
    ...DATABASE,
    ...COUNTER,
    unit: 'documents',
    about: 'Strangers’ writes that changed no body.',
  },
  dcp_received_count: {
    ...DATABASE,
    ...COUNTER,
    unit: 'changes',
    about: 'Of the bucket’s history, that were followed.',
  },
  dcp_caching_count: {
    ...DATABASE,
    ...COUNTER,
    unit: 'changes',
    about: 'Of them, those of documents.',
  },
  sequence_get_count: { ...DATABASE, ...COUNTER, unit: 'reads', about: 'Of the newest sequence.' },
  sequence_incr_count: {
    ...DATABASE,
    ...COUNTER,
    unit: 'steps',
    about: 'Of the counter: one for each that is given.',
  },
  sequence_reserved_count: {
    ...DATABASE,
    ...COUNTER,
    unit: 'sequences',
    about: 'Reserved: each is given at once.',
  },
  sequence_released_count: {
    ...DATABASE,
    ...COUNTER,
    unit: 'sequences',
    about: 'Reserved in vain. Never here: 0.',
  },
  sequence_assigned_count: {
    ...DATABASE,
    ...COUNTER,
    unit: 'sequences',
    about: 'Given to writes.',
  },
  last_sequence_assigned_value: {
    ...DATABASE,
    ...GAUGE,
    unit: 'sequence',
    about: 'The last one that was given.',
  },
  high_seq_feed: { ...DATABASE, ...GAUGE, unit: 'sequence', about: 'The last one of the feed.' },
  sync_function_count: { ...DATABASE, ...COUNTER, unit: 'calls', about: 'Of the sync function.' },
  sync_function_time: {
    ...DATABASE,
    ...COUNTER,
    unit: 'nanoseconds',
    about: 'Spent waiting for the sync function.',
  },
  sync_function_exception_count: {
    ...DATABASE,
    ...COUNTER,
    unit: 'calls',
    about: 'Calls in which it broke.',
  },
  warn_channels_per_doc_count: {
    ...DATABASE,
    ...COUNTER,
    unit: 'documents',
    about: 'In very many channels.',
  },
  warn_grants_per_doc_count: {
    ...DATABASE,
    ...COUNTER,
    unit: 'documents',
    about: 'That grant very much.',
  },
  warn_channel_name_size_count: {
    ...DATABASE,
    ...COUNTER,
    unit: 'documents',
    about: 'In a channel with a very long name.',
  },
  warn_xattr_size_count: {
    ...DATABASE,
    ...COUNTER,
    unit: 'documents',
    about: 'With very much metadata: its size does not matter here: 0.',
  },
  num_public_rest_requests: {
    ...DATABASE,
    ...COUNTER,
    unit: 'requests',
    about: 'On the public interface.',
  },
  public_rest_bytes_read: { ...DATABASE, ...COUNTER, unit: 'bytes', about: 'Of requests.' },
  public_rest_bytes_written: {
    ...DATABASE,
    ...COUNTER,
    unit: 'bytes',
    about: 'Of answers.',
  },
  num_replications_active: { ...DATABASE, ...GAUGE, unit: 'feeds', about: 'Clients following.' },
  num_replications_total: {
    ...DATABASE,
    ...COUNTER,
    unit: 'feeds',
    about: 'Clients that began to follow.',
  },
  total_sync_time: {
    ...DATABASE,
    ...COUNTER,
    unit: 'nanoseconds',
    about: 'That clients followed, told when they end.',
  },
  num_tombstones_compacted: {
    ...DATABASE,
    ...COUNTER,
    unit: 'documents',
    about: 'Tombstones removed.',
  },
  state_change_count: {
    ...DATABASE,
    ...COUNTER,
    unit: 'transitions',
    about: 'Of the database’s state. This product’s own.',
  },
  feed_lost_count: {
    ...DATABASE,
    ...COUNTER,
    unit: 'losses',
    about: 'Of its bucket, for so long that it went offline. This product’s own.',
  },
  webhook_delivered_count: {
    ...DATABASE,
    ...COUNTER,
    unit: 'events',
    about: 'Accepted by the receivers of webhooks. This product’s own, as the next five.',
  },
  webhook_failed_count: {
    ...DATABASE,
    ...COUNTER,
    unit: 'attempts',
    about: 'To deliver an event, that failed.',
  },
  webhook_dead_letter_count: {
    ...DATABASE,
    ...COUNTER,
    unit: 'events',
    about: 'Given up and kept as dead letters.',
  },
  webhook_dropped_count: {
    ...DATABASE,
    ...COUNTER,
    unit: 'events',
    about: 'Lost: the oldest of too many dead letters; with `best_effort`, what found no room.',
  },
  webhook_filter_failed_count: {
    ...DATABASE,
    ...COUNTER,
    unit: 'events',
    about: 'Not sent, since the filter broke on them.',
  },
  webhook_lag: {
    ...DATABASE,
    ...GAUGE,
    unit: 'sequences',
    about: 'That the slowest handler of `document_changed` is behind, on the node that delivers.',
  },
  num_attachments_compacted: {
    ...DATABASE,
    ...COUNTER,
    unit: 'attachments',
    about: 'Removed by compaction.',
  },

  chan_cache_hits: { ...CACHE, ...COUNTER, unit: 'reads', about: 'Answered from memory.' },
  chan_cache_misses: { ...CACHE, ...COUNTER, unit: 'reads', about: 'That went to the bucket.' },
  chan_cache_bypass_count: {
    ...CACHE,
    ...COUNTER,
    unit: 'reads',
    about: 'Beside the cache. Never here: 0.',
  },
  chan_cache_num_channels: { ...CACHE, ...GAUGE, unit: 'channels', about: 'In memory.' },
  num_active_channels: { ...CACHE, ...GAUGE, unit: 'channels', about: 'That a client follows.' },
  high_seq_cached: { ...CACHE, ...GAUGE, unit: 'sequence', about: 'The newest in memory.' },
  high_seq_stable: { ...CACHE, ...GAUGE, unit: 'sequence', about: 'The newest without gaps.' },
  rev_cache_hits: { ...CACHE, ...COUNTER, unit: 'reads', about: 'There is no revision cache: 0.' },
  rev_cache_misses: {
    ...CACHE,
    ...COUNTER,
    unit: 'reads',
    about: 'There is no revision cache: 0.',
  },
  num_skipped_seqs: { ...CACHE, ...COUNTER, unit: 'sequences', about: 'Never skipped here: 0.' },
  abandoned_seqs: { ...CACHE, ...COUNTER, unit: 'sequences', about: 'Never waited for here: 0.' },
  view_queries: { ...CACHE, ...COUNTER, unit: 'queries', about: 'There are no views: 0.' },
  pending_seq_len: { ...CACHE, ...GAUGE, unit: 'sequences', about: 'Never late here: 0.' },
  skipped_seq_len: { ...CACHE, ...GAUGE, unit: 'sequences', about: 'Never skipped here: 0.' },

  auth_failed_count: { ...SECURITY, ...COUNTER, unit: 'requests', about: 'Wrong credentials.' },
  auth_success_count: { ...SECURITY, ...COUNTER, unit: 'requests', about: 'Right credentials.' },
  total_auth_time: { ...SECURITY, ...COUNTER, unit: 'nanoseconds', about: 'Spent on both.' },
  num_access_errors: { ...SECURITY, ...COUNTER, unit: 'requests', about: 'That asked too much.' },
  num_docs_rejected: { ...SECURITY, ...COUNTER, unit: 'documents', about: 'Refused as forbidden.' },

  import_count: { ...IMPORT, ...COUNTER, unit: 'documents', about: 'Taken in as revisions.' },
  import_error_count: {
    ...IMPORT,
    ...COUNTER,
    unit: 'documents',
    about: 'Not taken in: refused by the sync function, broke a function, or are no documents.',
  },
  import_cancel_cas: {
    ...IMPORT,
    ...COUNTER,
    unit: 'documents',
    about: 'Looked at again, as somebody changed them meanwhile.',
  },
  import_processing_time: { ...IMPORT, ...COUNTER, unit: 'nanoseconds', about: 'Spent on it.' },
  import_feed_processed_count: {
    ...IMPORT,
    ...COUNTER,
    unit: 'writes',
    about: 'Of applications, that the import of this node has looked at.',
  },
  import_high_seq: {
    ...IMPORT,
    ...GAUGE,
    unit: 'sequence',
    about: 'The last one given to a document that was taken in.',
  },
  import_partitions: { ...IMPORT, ...GAUGE, unit: 'partitions', about: 'Held by this node.' },
  import_lag: {
    ...IMPORT,
    ...GAUGE,
    unit: 'documents',
    about: 'Written and not looked at yet. This product’s own, as the next one.',
  },
  import_lag_secs: {
    ...IMPORT,
    ...GAUGE,
    unit: 'seconds',
    about: 'Since the first of them was written.',
  },

  pull_replications_active: {
    ...PULL,
    ...GAUGE,
    name: 'num_replications_active',
    unit: 'clients',
    about: 'Clients that pull over BLIP.',
  },
  num_pull_repl_active_continuous: {
    ...PULL,
    ...GAUGE,
    unit: 'clients',
    about: 'Following over BLIP.',
  },
  num_pull_repl_active_one_shot: {
    ...PULL,
    ...GAUGE,
    unit: 'clients',
    about: 'Pulling once over BLIP.',
  },
  num_pull_repl_caught_up: {
    ...PULL,
    ...GAUGE,
    unit: 'clients',
    about: 'With nothing left to pull.',
  },
  num_pull_repl_total_continuous: {
    ...PULL,
    ...COUNTER,
    unit: 'clients',
    about: 'That began to follow over BLIP.',
  },
  num_pull_repl_total_one_shot: {
    ...PULL,
    ...COUNTER,
    unit: 'clients',
    about: 'That began to pull once.',
  },
  num_pull_repl_since_zero: {
    ...PULL,
    ...COUNTER,
    unit: 'clients',
    about: 'That began from the start.',
  },
  request_changes_count: { ...PULL, ...COUNTER, unit: 'messages', about: '`changes` sent.' },
  request_changes_time: {
    ...PULL,
    ...COUNTER,
    unit: 'nanoseconds',
    about: 'Until they were answered.',
  },
  rev_send_count: { ...PULL, ...COUNTER, unit: 'revisions', about: 'Sent over BLIP.' },
  rev_send_latency: {
    ...PULL,
    ...COUNTER,
    unit: 'nanoseconds',
    about: 'From a change to its revision.',
  },
  norev_send_count: { ...PULL, ...COUNTER, unit: 'revisions', about: 'That could not be sent.' },
  rev_error_count: { ...PULL, ...COUNTER, unit: 'revisions', about: 'Refused by the client.' },
  attachment_pull_count: { ...PULL, ...COUNTER, unit: 'attachments', about: 'Sent over BLIP.' },
  attachment_pull_bytes: { ...PULL, ...COUNTER, unit: 'bytes', about: 'Of them.' },
  max_pending: { ...PULL, ...GAUGE, unit: 'changes', about: 'The most that waited at once.' },
  doc_push_count: { ...PUSH, ...COUNTER, unit: 'documents', about: 'Pushed over BLIP.' },
  doc_push_error_count: { ...PUSH, ...COUNTER, unit: 'documents', about: 'Refused.' },
  propose_change_count: { ...PUSH, ...COUNTER, unit: 'changes', about: 'Proposed over BLIP.' },
  propose_change_time: {
    ...PUSH,
    ...COUNTER,
    unit: 'nanoseconds',
    about: 'Until they were answered.',
  },
  write_processing_time: {
    ...PUSH,
    ...COUNTER,
    unit: 'nanoseconds',
    about: 'Spent on pushed documents.',
  },
  attachment_push_count: { ...PUSH, ...COUNTER, unit: 'attachments', about: 'Pushed over BLIP.' },
  attachment_push_bytes: { ...PUSH, ...COUNTER, unit: 'bytes', about: 'Of them.' },
} as const satisfies Readonly<Record<string, Metric>>;

export type MetricName = keyof typeof METRICS;

type NameOf<Per extends Metric['per'], Kind extends Metric['kind']> = {
  [K in MetricName]: (typeof METRICS)[K] extends { per: Per; kind: Kind } ? K : never;
}[MetricName];

export type DatabaseCounter = NameOf<'database', 'counter'>;
export type DatabaseGauge = NameOf<'database', 'gauge'>;
export type GatewayCounter = NameOf<'gateway', 'counter'>;
