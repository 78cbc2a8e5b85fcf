import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { FLAG } from '../bucket/bucket.ts';
import { effectiveAccess } from '../principals/effective-access.ts';
import { mayRead, type Reader } from '../principals/access.ts';
import { userKey } from '../principals/principal-name.ts';
import type { ChangesFeed, ChangesFeedOptions } from './changes-feed.ts';
import type { FeedRow } from './feed-row.ts';
import { START, type SequenceId } from './sequence-id.ts';
import { openTestFeeds, type TestFeeds } from './test-feeds.ts';

/**
 * Invariant 3: every reader's feed, followed from any `since`, ends up with exactly the documents
 * that it may see, at their winning revision, and with each removal and revocation told. And a
 * reader is never told of a document that it could never see.
 */

const RUNS = 40;
const USERS = ['ann', 'ben'];
const DOCS = ['d0', 'd1', 'd2', 'd3', 'd4'];
const CHANNELS = ['a', 'b', 'c'];

type Step =
  | { readonly do: 'put'; readonly doc: string; readonly channels: readonly string[] }
  | { readonly do: 'twice'; readonly doc: string; readonly channels: readonly string[] }
  | { readonly do: 'remove'; readonly doc: string; readonly channels: readonly string[] }
  | {
      readonly do: 'user';
      readonly name: string;
      readonly channels: readonly string[];
      readonly roles: readonly string[];
    }
  | { readonly do: 'role'; readonly channels: readonly string[] }
  | { readonly do: 'grant'; readonly doc: string; readonly to: string; readonly channel: string }
  /** A client looks at one page of so many rows; 0: at all that there is. */
  | { readonly do: 'look'; readonly client: number; readonly limit: number };

const someOf = (names: readonly string[]): fc.Arbitrary<readonly string[]> =>
  fc.subarray([...names]);

function steps(channels: readonly string[]): fc.Arbitrary<readonly Step[]> {
  const doc = fc.constantFrom(...DOCS);
  const names = someOf(CHANNELS);
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('put' as const), doc, channels: names }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('twice' as const), doc, channels: names }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('remove' as const), doc, channels: names }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('user' as const),
        name: fc.constantFrom(...USERS),
        channels: someOf(channels),
        roles: someOf(['band']),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('role' as const), channels: someOf(channels) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('grant' as const),
        doc,
        to: fc.constantFrom('ann', 'ben', 'role:band'),
        channel: fc.constantFrom(...channels),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('look' as const),
        client: fc.nat(5),
        limit: fc.constantFrom(0, 0, 1, 2),
      }),
    },
  );
  return fc.array(step, { minLength: 5, maxLength: 60 });
}

const OPTIONS = {
  comes: { revocations: true },
  reads: { revocations: true, includeDocs: true },
  asks: { revocations: true, docIds: DOCS },
  /** Is not told what access it lost, and so may hold more. */
  keeps: { revocations: false },
  follows: { revocations: true },
} as const satisfies Record<string, Partial<ChangesFeedOptions>>;

type Kind = keyof typeof OPTIONS;

/** What a client holds, by what rows told it. */
class Client {
  readonly user: string;
  readonly docs = new Map<string, string>();
  readonly told = new Set<string>();
  #since: SequenceId = START;
  /** Kept between looks by clients that follow; others come anew with their since. */
  #feed: ChangesFeed | undefined;
  readonly kind: Kind;
  readonly #db: TestFeeds;

  constructor(db: TestFeeds, user: string, kind: Kind) {
    this.#db = db;
    this.user = user;
    this.kind = kind;
  }

  async look(limit: number): Promise<void> {
    const signal = AbortSignal.timeout(10_000);
    const options = OPTIONS[this.kind];
    if (this.kind === 'follows') {
      this.#feed ??= this.#db.feed(this.user, options);
      await this.#db.cache.atLeast(await this.#db.bucket.lastSequence(), signal);
      await this.#read(this.#feed, signal);
      return;
    }
    using feed = this.#db.feed(this.user, { ...options, since: this.#since, limit });
    await this.#read(feed, signal);
    this.#since = feed.lastSeq;
  }

  async #read(feed: ChangesFeed, signal: AbortSignal): Promise<void> {
    for (;;) {
      const page = await feed.nextPage(signal);
      for (const row of page.rows) this.#take(row);
      if (page.caughtUp || page.ended) return;
    }
  }

  #take({ id, revs, deleted, gone, revoked }: FeedRow): void {
    if (id.startsWith('_user/')) return;
    this.told.add(id);
    if (deleted || gone || revoked) this.docs.delete(id);
    else this.docs.set(id, revs[0] ?? '');
  }
}

async function readerOf(db: TestFeeds, user: string): Promise<Reader> {
  const snapshot = await db.bucket.readAccess('db', userKey(user));
  return { kind: 'user', access: effectiveAccess(snapshot) };
}

/** What the user may see now, tombstones too, asked from the bucket document by document. */
async function visible(db: TestFeeds, user: string): Promise<ReadonlyMap<string, string>> {
  const reader = await readerOf(db, user);
  const seen = new Map<string, string>();
  for (const document of await db.bucket.scan(db.collection, { limit: 1000, bodies: false })) {
    const { metadata } = document;
    if (metadata === undefined) continue;
    const { flags, rev, text } = metadata;
    const isVisible = mayRead(reader, db.collection, channelsOf(text));
    if (isVisible) seen.set(document.key, (flags & FLAG.deleted) === 0 ? rev : '');
  }
  return seen;
}

function channelsOf(text: string): readonly string[] {
  const { in: present = {} } = JSON.parse(text) as { in?: Record<string, number> };
  return Object.keys(present);
}

async function apply(db: TestFeeds, step: Exclude<Step, { do: 'look' }>): Promise<void> {
  if (step.do === 'put') await db.put(step.doc, step.channels);
  else if (step.do === 'twice') await db.putTwice(step.doc, step.channels, ['b']);
  else if (step.do === 'remove') await db.remove(step.doc, step.channels);
  else if (step.do === 'user') await db.user(step.name, step.channels, step.roles);
  else if (step.do === 'role') await db.role('band', step.channels);
  else {
    const { to, channel } = step;
    await db.put(step.doc, ['a'], { access: [{ to, channel }] });
  }
}

interface RunOptions {
  readonly tailBytesMax?: number;
  readonly namesMax?: number;
  /**
   * Users hold `*` at times. A document that was changed after they lost it may be older than that
   * or not: they are told of its loss in any case.
   */
  readonly ofAll: boolean;
}

async function run(script: readonly Step[], options: RunOptions): Promise<void> {
  await using db = await openTestFeeds(options);
  for (const name of USERS) await db.user(name, []);
  const kinds = ['comes', 'reads', 'asks', 'keeps', 'follows', 'follows'] as const;
  const clients = kinds.map((kind, index) => new Client(db, USERS[index % 2] ?? '', kind));
  const ever = new Map(USERS.map((name) => [name, new Set<string>()]));
  for (const step of script) {
    if (step.do === 'look') {
      await clients[step.client]?.look(step.limit);
      continue;
    }
    await apply(db, step);
    for (const name of USERS) {
      // Between two revisions of one commit nobody can look, and yet it was there.
      if (step.do === 'twice' && mayRead(await readerOf(db, name), db.collection, step.channels)) {
        ever.get(name)?.add(step.doc);
      }
      for (const id of (await visible(db, name)).keys()) ever.get(name)?.add(id);
    }
  }
  for (const client of clients) {
    await client.look(0);
    const seen = await visible(db, client.user);
    const expected = new Map([...seen].filter(([, rev]) => rev !== ''));
    const held = [...client.docs].filter(([id]) => client.kind !== 'keeps' || seen.has(id));
    assert.deepEqual(new Map(held), expected, `what ${client.user}, who ${client.kind}, holds`);
    if (options.ofAll) continue;
    const strange = [...client.told].filter((id) => ever.get(client.user)?.has(id) !== true);
    assert.deepEqual(strange, [], `what ${client.user} could never see`);
  }
}

for (const [name, options] of [
  ['from the index and the tail', { ofAll: false }],
  ['with room for little in memory', { tailBytesMax: 1500, namesMax: 2, ofAll: false }],
  ['where some hold all channels', { ofAll: true }],
] as const) {
  test(`clients end up with what they may see, ${name}`, async () => {
    const channels = [...CHANNELS, '!', ...(options.ofAll ? ['*'] : [])];
    await fc.assert(
      fc.asyncProperty(steps(channels), (script) => run(script, options)),
      { numRuns: RUNS },
    );
  });
}
