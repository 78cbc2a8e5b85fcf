import { group, laterOption, option, unneededOption } from './option.ts';
import { flag, integer } from './value-type.ts';

/** The group `cache` of a database's configuration. */
export const CACHE_OPTIONS = group('What is kept in memory.', {
  rev_cache: group('Revisions.', {
    size: unneededOption({
      type: integer(0),
      default: 5000,
      about: 'The most revisions in memory.',
    }),
    shard_count: unneededOption({ type: integer(1), default: 16, about: 'Parts of that cache.' }),
    max_memory_count_mb: unneededOption({
      type: integer(0),
      default: 0,
      about: 'Memory of that cache in MB.',
    }),
    insert_on_write: unneededOption({
      type: flag,
      default: true,
      about: 'Whether writes fill it too.',
    }),
  }),
  channel_cache: group('Changes, by channel.', {
    max_number: option({
      type: integer(1),
      default: 50_000,
      about: 'The most channels whose newest sequence is kept.',
    }),
    max_length: option({
      type: integer(1),
      default: 500,
      about: 'The most changes kept for a channel; older ones are read from the bucket.',
    }),
    min_length: unneededOption({
      type: integer(1),
      default: 50,
      about: 'The fewest changes kept for a channel.',
    }),
    expiry_seconds: unneededOption({
      type: integer(1),
      default: 60,
      about: 'How long changes beyond min_length are kept, in seconds.',
    }),
    query_limit: unneededOption({
      type: integer(1),
      default: 5000,
      about: 'Rows of one read from the bucket.',
    }),
    compact_high_watermark_pct: unneededOption({
      type: integer(1, 100),
      default: 80,
      about: 'How full the cache is when it begins to shrink, in percent.',
    }),
    compact_low_watermark_pct: unneededOption({
      type: integer(1, 100),
      default: 60,
      about: 'How full it is when it has shrunk, in percent.',
    }),
    max_wait_pending: unneededOption({
      type: integer(1),
      default: 5000,
      about: 'Sequences are never late here.',
    }),
    max_num_pending: unneededOption({
      type: integer(1),
      default: 10_000,
      about: 'Sequences are never late here.',
    }),
    max_wait_skipped: unneededOption({
      type: integer(1),
      default: 3_600_000,
      about: 'Sequences are never skipped here.',
    }),
    enable_star_channel: laterOption({
      type: flag,
      default: true,
      about: 'Whether there is the channel `*`.',
    }),
  }),
});
