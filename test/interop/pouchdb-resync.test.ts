import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import type { TestDatabase } from '../helpers/database.ts';
import { createDatabase, PASSWORD, putUser } from '../helpers/database.ts';
import { request } from '../helpers/http.ts';
import { PouchClient } from '../helpers/pouch-client.ts';
import { networkFetch } from '../helpers/pouch.ts';
import { randomOf } from '../helpers/random.ts';
import { bringOnline, resyncEnd, startResync } from '../helpers/resync.ts';
import type { GatewayProcess } from '../helpers/run-gateway.ts';
import { runGateway } from '../helpers/run-gateway.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';
import { FeedClient } from '../properties/feed-client.ts';
import type { Doc, RoutedDoc } from '../properties/resync-model.ts';
import { FUNCTIONS, isChanged, OWN, ROLE, visible } from '../properties/resync-model.ts';

// The steps of docs/resync.md, as an administrator takes them, while PouchDB clients of five users
// are connected: afterwards each has what the new function lets it see, and was told of the rest.
// NOTE: a resync makes no revision, so that PouchDB, which knows revisions only, keeps a document
// that its user lost. One that it was given without content, since it left a channel that its user
// had for a moment, it does not ask for again. What is gone an application hears from the feed.

const PEOPLE = Object.keys(OWN);
const DOCUMENTS = 60;
const SEED = Number(process.env['TIDEGATE_SEED'] ?? randomInt(1e6));
const NORMAL = { limit: 200, feed: 'normal' } as const;

/** A function that routes and grants, one that grants by a role, and one that refuses some. */
const FIRST = 0;
const BY_ROLE = 4;
const REFUSING = 2;
const REFUSED_EVERY = 3;

type Random = () => number;

function randomDoc(random: Random): Doc {
  const of = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)]!;
  const channels = ['c0', 'c1', 'c2', 'c3'];
  return { a: of(channels), b: of(channels), to: of(PEOPLE), n: Math.floor(random() * 21) };
}

/** A user with a store in sync, and an application that follows what is told of it. */
class Person implements AsyncDisposable {
  readonly name: string;
  readonly client: PouchClient;
  /** Answers to it, by status. */
  readonly statuses = new Map<number, number>();
  readonly #feed: FeedClient;
  readonly #url: string;
  readonly #own = new Map<string, string>();

  constructor(name: string, url: string) {
    this.name = name;
    this.#url = url;
    this.#feed = new FeedClient(url, name);
    const counting: typeof fetch = async (...asked) => {
      const answer = await networkFetch(...asked);
      this.statuses.set(answer.status, (this.statuses.get(answer.status) ?? 0) + 1);
      return answer;
    };
    this.client = new PouchClient({ name, url, as: `${name}:${PASSWORD}`, fetch: counting });
    this.client.startSync();
  }

  /** Writes documents of its own into its store, some of them twice, until it is told to stop. */
  async write(random: Random, stop: AbortSignal): Promise<readonly RoutedDoc[]> {
    const written: RoutedDoc[] = [];
    while (!stop.aborted) {
      const doc = randomDoc(random);
      if (doc.n % REFUSED_EVERY === 0) continue;
      const id = `${this.name}-${written.length}`;
      const { rev } = await this.client.local.put({ _id: id, ...doc });
      this.#own.set(id, rev);
      written.push({ id, doc, by: REFUSING });
      await until('it is sent', () => (this.client.acknowledged.has(id) ? true : undefined));
      if (written.length % 2 === 0) continue;
      const again = await this.client.local.put({ _id: id, _rev: rev, ...doc, again: true });
      this.#own.set(id, again.rev);
    }
    const isSent = ([id, rev]: readonly [string, string]): boolean =>
      this.client.acknowledged.get(id)?.includes(rev) === true;
    await until('all is sent', () => ([...this.#own].every(isSent) ? true : undefined));
    return written;
  }

  /** Its feed tells of nothing else than what it may see, and of what it sees no more. */
  async assertHolds(
    docs: readonly RoutedDoc[],
    { mayBeEmpty = false }: { readonly mayBeEmpty?: boolean } = {},
  ): Promise<void> {
    const expected = visible(docs, this.name);
    await follow(this.#feed, expected);
    const { held } = this.#feed;
    assert.deepEqual(idsOf(held), expected, `${this.name} was told`);
    const fresh = new FeedClient(this.#url, this.name);
    await follow(fresh, expected);
    assert.deepEqual(fresh.held, held, `${this.name} is told from the beginning`);
    await until(`${this.name} holds what it may see`, async () => {
      for (const id of expected) {
        const stored = await this.client.local.get(id).catch(() => undefined);
        if (stored === undefined || stored._rev !== held.get(id)) return undefined;
        if (!mayBeEmpty && !('n' in stored)) return undefined;
      }
      return true;
    });
    // What its store has beside that is its own, or what it may read no more.
    for (const id of this.client.watch.held.keys()) {
      if (held.has(id)) continue;
      const as = `${this.name}:${PASSWORD}`;
      const { status } = await request('GET', `${this.#url}/${id}`, { as });
      assert.equal(status, 403, `${id} is not for ${this.name}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]();
  }
}

async function follow(feed: FeedClient, expected: readonly string[]): Promise<void> {
  await feed.follow(NORMAL, ({ id }, rev) => {
    if (rev !== undefined) assert.ok(expected.includes(id), `${id} is told`);
  });
}

const idsOf = (held: ReadonlyMap<string, string>): readonly string[] =>
  [...held.keys()].filter((id) => !id.startsWith('_')).toSorted();

async function putDocuments({ admin }: TestDatabase, random: Random): Promise<RoutedDoc[]> {
  const all = Array.from({ length: DOCUMENTS }, (_, n): RoutedDoc => ({
    id: `d${n}`,
    doc: randomDoc(random),
    by: FIRST,
  }));
  const json = { docs: all.map(({ id, doc }) => ({ _id: id, ...doc })) };
  const answer = await request('POST', `${admin}/_bulk_docs`, { json });
  assert.equal(answer.status, 201, answer.text);
  return all;
}

async function createWithPeople(gateway: GatewayProcess): Promise<TestDatabase> {
  const db = await createDatabase(gateway, 'photos', { sync: FUNCTIONS[FIRST]!.source });
  const role = await request('PUT', `${db.admin}/_role/${ROLE.name}`, {
    json: { admin_channels: ROLE.channels },
  });
  assert.equal(role.status, 201, role.text);
  for (const name of PEOPLE) await putUser(db, name, { admin_channels: OWN[name]! });
  return db;
}

async function connect(
  { public: url }: TestDatabase,
  docs: readonly RoutedDoc[],
  open: AsyncDisposableStack,
): Promise<readonly Person[]> {
  const people = PEOPLE.map((name) => open.use(new Person(name, url)));
  for (const person of people) await person.assertHolds(docs);
  return people;
}

/** Offline, resync, until it has ended, online: the documents as they are routed then. */
async function resync(
  db: TestDatabase,
  docs: readonly RoutedDoc[],
  by: number,
): Promise<readonly RoutedDoc[]> {
  assert.equal((await request('POST', `${db.admin}/_offline`)).status, 200);
  await startResync(db);
  const end = await resyncEnd(db);
  assert.partialDeepStrictEqual(end, {
    status: 'completed',
    docs_processed: docs.length,
    docs_changed: docs.filter((each) => isChanged(each.doc, each.by, by)).length,
    docs_errored: 0,
  });
  await bringOnline(db);
  return docs.map((each) => ({ ...each, by }));
}

const sameInterfaces = ({ urls }: GatewayProcess): readonly string[] =>
  Object.entries(urls).flatMap(([name, url]) => [`--${name}-interface`, new URL(url).host]);

test('the function is changed in the start-up file, with a restart', async (t) => {
  t.diagnostic(`seed ${SEED}`);
  await using folder = await temporaryFolder();
  await using open = new AsyncDisposableStack();
  const file = path.join(folder.path, 'config.json');
  const writeConfig = (by: number): Promise<void> => {
    const users = Object.fromEntries(
      PEOPLE.map((name) => [name, { password: PASSWORD, admin_channels: OWN[name] }]),
    );
    const roles = { [ROLE.name]: { admin_channels: ROLE.channels } };
    const photos = { bucket: 'photos', sync: FUNCTIONS[by]!.source, users, roles };
    return writeFile(file, JSON.stringify({ databases: { photos } }));
  };
  await writeConfig(FIRST);
  const started = { dataDir: path.join(folder.path, 'data'), flags: ['--config', file] };
  const first = open.use(await runGateway(started));
  const { public: clients, admin } = first.urls;
  const db = { public: `${clients}/photos`, admin: `${admin}/photos` };
  const docs = await putDocuments(db, randomOf(SEED));
  const people = await connect(db, docs, open);

  await writeConfig(BY_ROLE);
  await first.stop();
  const flags = [...started.flags, ...sameInterfaces(first)];
  open.use(await runGateway({ ...started, flags }));
  for (const person of people) await person.assertHolds(docs);
  const after = await resync(db, docs, BY_ROLE);
  for (const person of people) await person.assertHolds(after);
});

test('the function is changed by PUT _config/sync, twice', async (t) => {
  t.diagnostic(`seed ${SEED}`);
  await using folder = await temporaryFolder();
  await using open = new AsyncDisposableStack();
  const db = await createWithPeople(open.use(await runGateway({ dataDir: folder.path })));
  let docs: readonly RoutedDoc[] = await putDocuments(db, randomOf(SEED + 1));
  const people = await connect(db, docs, open);
  for (const by of [REFUSING, BY_ROLE]) {
    const headers = { 'content-type': 'application/javascript' };
    const body = FUNCTIONS[by]!.source;
    const put = await request('PUT', `${db.admin}/_config/sync`, { body, headers });
    assert.equal(put.status, 200, put.text);
    docs = await resync(db, docs, by);
    const mayBeEmpty = by !== REFUSING;
    for (const person of people) await person.assertHolds(docs, { mayBeEmpty });
  }
});

test('the function is changed online, while all of them write', async (t) => {
  t.diagnostic(`seed ${SEED}`);
  await using folder = await temporaryFolder();
  await using open = new AsyncDisposableStack();
  const db = await createWithPeople(open.use(await runGateway({ dataDir: folder.path })));
  const docs = await putDocuments(db, randomOf(SEED + 2));
  const people = await connect(db, docs, open);
  const stop = new AbortController();
  const writing = people.map((person, at) => person.write(randomOf(SEED + 3 + at), stop.signal));
  const sent = (): number => people.reduce((sum, { client }) => sum + client.acknowledged.size, 0);
  const untilSent = (count: number) =>
    until('they write', () => (sent() >= count ? true : undefined));
  await untilSent(10);
  const json = { online: true, sync: FUNCTIONS[REFUSING]!.source };
  const started = await request('POST', `${db.admin}/_resync`, { json });
  assert.equal(started.status, 200, started.text);
  const end = await resyncEnd(db);
  assert.partialDeepStrictEqual(end, { status: 'completed', docs_errored: 0 });
  await untilSent(sent() + 10);
  stop.abort();
  const written = (await Promise.all(writing)).flat();
  const after = [...docs.map((each) => ({ ...each, by: REFUSING })), ...written];
  for (const person of people) {
    await person.assertHolds(after, { mayBeEmpty: true });
    const failed = [...person.statuses].filter(([status]) => status >= 500);
    assert.deepEqual(failed, [], `answers to ${person.name}`);
    assert.deepEqual(person.client.denied, new Set());
  }
});
