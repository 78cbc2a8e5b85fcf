import { couchbaseOption } from './option.ts';
import { anything, flag, integer, text } from './value-type.ts';

/** What only a Couchbase Server could use of a database's configuration. */
export const COUCHBASE_OPTIONS = {
  use_views: couchbaseOption({ type: flag, default: false, about: 'Whether queries use views.' }),
  num_index_replicas: couchbaseOption({
    type: integer(0),
    default: 1,
    about: 'Replicas of its indexes.',
  }),
  index: couchbaseOption({
    type: anything,
    default: undefined,
    about: 'Replicas and partitions of its indexes.',
  }),
  view_query_timeout_secs: couchbaseOption({
    type: integer(0),
    default: 75,
    about: 'The longest that a query may take, in seconds.',
  }),
  query_pagination_limit: couchbaseOption({
    type: integer(2),
    default: 5000,
    about: 'Rows of one page of a query.',
  }),
  slow_query_warning_threshold: couchbaseOption({
    type: integer(0),
    default: 500,
    about: 'From how many ms on a query is slow.',
  }),
  bucket_op_timeout_ms: couchbaseOption({
    type: integer(0),
    default: 10_000,
    about: 'The longest that a request may take, in ms.',
  }),
  max_concurrent_query_ops: couchbaseOption({
    type: integer(0),
    default: undefined,
    about: 'The most queries at once.',
  }),
  kv_tls_port: couchbaseOption({
    type: integer(0, 65_535),
    default: undefined,
    about: 'Port of its key-value service.',
  }),
  feed_type: couchbaseOption({
    type: text(),
    default: undefined,
    about: 'Kind of its change feed.',
  }),
  pool: couchbaseOption({ type: text(), default: undefined, about: 'Pool of its buckets.' }),
  use_system_metadata_collection: couchbaseOption({
    type: flag,
    default: false,
    about: 'Where in the bucket metadata is kept.',
  }),
};
