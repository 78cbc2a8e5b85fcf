/** What keeps a bucket from being read or written at this moment. */
export interface BucketTrouble {
  /**
   * `moved`: its name leads to another store by now, or to none; only opening it anew helps.
   * `unreadable`: what is stored cannot be read. `locked`: another process keeps it from being
   * written; it can be read.
   */
  readonly kind: 'moved' | 'unreadable' | 'locked';
  readonly reason: string;
  /** Since when, as far as it was noticed, ms since 1970. */
  readonly sinceMs: number;
}
