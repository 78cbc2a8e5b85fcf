import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { request, type Answer } from '../helpers/http.ts';

/** What `kill -9` must not take away: everything that a client was told. */
export class CrashLedger {
  /** By document the revisions that were acknowledged, with what was in them. */
  readonly #revisions = new Map<string, Map<string, string | undefined>>();
  /** By user the states that it may have: several where an answer did not come. */
  readonly #users = new Map<string, Set<string>>();
  readonly #checkpoints = new Map<string, Set<string>>();
  /** Sessions with their users. */
  readonly #sessions = new Map<string, string>();
  readonly #ended = new Set<string>();
  acknowledged = 0;

  /** `token` is what the body holds; undefined for a tombstone. */
  written(id: string, rev: string, token?: string): void {
    const known = this.#revisions.get(id) ?? new Map<string, string | undefined>();
    this.#revisions.set(id, known.set(rev, token));
    this.acknowledged += 1;
  }

  /** Acknowledged ones of this document. */
  revisionsOf(id: string): readonly string[] {
    return [...(this.#revisions.get(id)?.keys() ?? [])];
  }

  /** From here on the user may have the new state, until `settleUser` says that it has. */
  changeUser(name: string, state: string): void {
    this.#users.set(name, (this.#users.get(name) ?? new Set([ABSENT])).add(state));
    if (state !== ABSENT) return;
    for (const [session, user] of this.#sessions) if (user === name) this.#sessions.delete(session);
  }

  settleUser(name: string, state: string, sessions: readonly string[] = []): void {
    this.#users.set(name, new Set([state]));
    for (const session of sessions) this.#ended.add(session);
    this.acknowledged += 1;
  }

  /** Undefined where it is not certain. */
  userState(name: string): string | undefined {
    const [state = ABSENT, ...others] = this.#users.get(name) ?? [];
    return others.length === 0 ? state : undefined;
  }

  loggedIn(session: string, user: string): void {
    this.#sessions.set(session, user);
    this.acknowledged += 1;
  }

  sessionsOf(user: string): readonly string[] {
    return [...this.#sessions].flatMap(([session, of]) => (of === user ? [session] : []));
  }

  changeCheckpoint(id: string, token: string): void {
    this.#checkpoints.set(id, (this.#checkpoints.get(id) ?? new Set([ABSENT])).add(token));
  }

  settleCheckpoint(id: string, token: string): void {
    this.#checkpoints.set(id, new Set([token]));
    this.acknowledged += 1;
  }

  /** Everything acknowledged is there; what was uncertain is certain from now on. */
  async assertKept(db: string): Promise<void> {
    for (const [id, revisions] of this.#revisions) await assertRevisions(db, id, revisions);
    for (const [name, states] of this.#users) {
      const answer = await request('GET', `${db}/_user/${name}`);
      const state = answer.status === 404 ? ABSENT : userStateOf(answer);
      assert(states.has(state), `${name} is ${state}, and should be ${[...states].join(' or ')}`);
      this.#users.set(name, new Set([state]));
    }
    for (const [id, tokens] of this.#checkpoints) {
      const answer = await request('GET', `${db}/_local/${id}`);
      const token = answer.status === 404 ? ABSENT : (answer.json as { token: string }).token;
      assert(tokens.has(token), `${id} is ${token}, and should be ${[...tokens].join(' or ')}`);
      this.#checkpoints.set(id, new Set([token]));
    }
    for (const [session, user] of this.#sessions) {
      const answer = await request('GET', `${db}/_session/${session}`);
      const { userCtx } = answer.json as unknown as { userCtx: { name: string } };
      assert.equal(userCtx.name, user, answer.text);
    }
    for (const session of this.#ended)
      assert.equal((await request('GET', `${db}/_session/${session}`)).status, 404);
  }
}

/** The state of a user or checkpoint that is not there. */
export const ABSENT = 'absent';

const userStateOf = ({ json }: Answer): string =>
  (json as { admin_channels?: string[] }).admin_channels?.join() ?? '';

async function assertRevisions(
  db: string,
  id: string,
  revisions: ReadonlyMap<string, string | undefined>,
): Promise<void> {
  const leaves = await leavesOf(db, id);
  const known = new Set(
    leaves.flatMap(({ _revisions: { start, ids } }) =>
      ids.map((digest, at) => `${start - at}-${digest}`),
    ),
  );
  for (const [rev, token] of revisions) {
    assert(known.has(rev), `${id} ${rev} was acknowledged and is lost`);
    const leaf = leaves.find(({ _rev }) => _rev === rev);
    if (leaf !== undefined) assert.equal(leaf.token, token, `${id} ${rev} has its own body`);
  }
}

interface Leaf {
  readonly _rev: string;
  readonly _revisions: { readonly start: number; readonly ids: readonly string[] };
  readonly token?: string;
}

async function leavesOf(db: string, id: string): Promise<readonly Leaf[]> {
  const answer = await request('GET', `${db}/${id}?open_revs=all&revs=true`, {
    headers: { accept: 'application/json' },
  });
  assert.equal(answer.status, 200, `${id}: ${answer.text}`);
  return (answer.json as unknown as { ok: Leaf }[]).map(({ ok }) => ok);
}

interface Document {
  readonly _rev: string;
  readonly channels?: readonly string[];
  readonly grant?: string;
  readonly _attachments?: Readonly<Record<string, { digest: string; length: number }>>;
}

interface Row {
  readonly seq: number;
  readonly id: string;
  readonly changes: readonly { readonly rev: string }[];
  readonly deleted?: boolean;
  readonly removed?: readonly string[];
  readonly doc?: Document;
}

export async function feedOf(db: string, query: string): Promise<readonly Row[]> {
  const answer = await request('GET', `${db}/_changes?${query}`);
  assert.equal(answer.status, 200, answer.text);
  const { results } = answer.json as unknown as { results: Row[] };
  return results.filter(({ id }) => !id.startsWith('_user/'));
}

/** Documents, feed, channel index, grants and attachments tell the same story. */
export async function assertAgreement(db: string, channels: readonly string[]): Promise<void> {
  const feed = await feedOf(db, 'style=all_docs&include_docs=true');
  const seqs = feed.map(({ seq }) => seq);
  assert.deepEqual(
    seqs,
    [...new Set(seqs)].toSorted((a, b) => a - b),
    'sequences go up',
  );
  assert.equal(new Set(feed.map(({ id }) => id)).size, feed.length, 'a document has one row');
  for (const { id, changes, doc } of feed) {
    const leaves = await leavesOf(db, id);
    assert.deepEqual(
      changes.map(({ rev }) => rev).toSorted(),
      leaves.map(({ _rev }) => _rev).toSorted(),
    );
    assert.equal(doc?._rev, changes[0]?.rev, `${id}: the row tells the winner`);
  }
  const live = feed.filter(({ deleted }) => deleted !== true);
  await assertAllDocs(db, live);
  for (const channel of channels) {
    const rows = await feedOf(db, `filter=sync_gateway/bychannel&channels=${channel}`);
    const held = rows.filter(({ deleted, removed }) => deleted !== true && removed === undefined);
    const routed = live.filter(({ doc }) => doc?.channels?.includes(channel) === true);
    assert.deepEqual(revisions(held), revisions(routed), `the channel ${channel}`);
  }
  const granted = live.flatMap(({ doc }) => (doc?.grant === undefined ? [] : [doc.grant]));
  const reader = await request('GET', `${db}/_user/reader`);
  const { all_channels: has } = reader.json as unknown as { all_channels: string[] };
  assert.deepEqual(has, [...new Set(['!', ...granted])].toSorted(), 'grants of documents');
  for (const { id, doc } of live) await assertAttachments(`${db}/${id}`, doc);
}

const revisions = (rows: readonly Row[]): ReadonlyMap<string, string | undefined> =>
  new Map(rows.map(({ id, changes }) => [id, changes[0]?.rev] as const));

async function assertAllDocs(db: string, live: readonly Row[]): Promise<void> {
  const answer = await request('GET', `${db}/_all_docs`);
  const { rows } = answer.json as unknown as { rows: { id: string; value: { rev: string } }[] };
  assert.deepEqual(new Map(rows.map(({ id, value }) => [id, value.rev])), revisions(live));
}

async function assertAttachments(url: string, doc: Document | undefined): Promise<void> {
  for (const [name, { digest, length }] of Object.entries(doc?._attachments ?? {})) {
    const answer = await request('GET', `${url}/${name}`);
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.text.length, length);
    const found = createHash('sha1').update(answer.text).digest('base64');
    assert.equal(digest, `sha1-${found}`);
  }
}
