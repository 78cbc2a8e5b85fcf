import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { request, type Answer, type RequestOptions } from '../helpers/http.ts';
import { ABSENT, feedOf, type CrashLedger } from './crash-ledger.ts';

export const CHANNELS = ['a', 'b', 'c'];
export const SYNC_FUNCTION = `function (doc) {
  channel(doc.channels);
  if (doc.grant) access('reader', doc.grant);
}`;

const id = fc.nat({ max: 14 }).map((n) => `d${n}`);
const content = fc.record(
  {
    channels: fc.subarray(CHANNELS),
    grant: fc.constantFrom(...CHANNELS),
    padding: fc.nat({ max: 40_000 }).map((length) => '.'.repeat(length)),
  },
  { requiredKeys: ['channels'] },
);
const which = fc.nat({ max: 2 });
const weighted = <T>(weight: number, arbitrary: fc.Arbitrary<T>) => ({ weight, arbitrary });

/** What a client does next. */
export const step = fc.oneof(
  weighted(6, fc.record({ do: fc.constant('write' as const), id, content })),
  weighted(2, fc.record({ do: fc.constant('remove' as const), id })),
  weighted(
    2,
    fc.record({
      do: fc.constant('bulk' as const),
      ids: fc.uniqueArray(id, { minLength: 2, maxLength: 8 }),
      content,
    }),
  ),
  weighted(
    2,
    fc.record({
      do: fc.constant('attach' as const),
      id,
      length: fc.integer({ min: 1, max: 300_000 }),
    }),
  ),
  weighted(2, fc.record({ do: fc.constant('branch' as const), id, content })),
  weighted(
    1,
    fc.record({
      do: fc.constant('set user' as const),
      which,
      channels: fc.subarray(CHANNELS, { minLength: 1 }),
    }),
  ),
  weighted(1, fc.record({ do: fc.constant('remove user' as const), which })),
  weighted(1, fc.record({ do: fc.constant('log in' as const), which })),
  weighted(1, fc.record({ do: fc.constant('checkpoint' as const), which })),
  weighted(2, fc.record({ do: fc.constant('follow' as const) })),
);
export type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;
type Content = Extract<Step, { do: 'write' }>['content'];

const CREATED = [200, 201];
/** Somebody else was faster, or there is nothing to edit. */
const REFUSED = [404, 409];

/**
 * One client of one database among several. It notes in the ledger what it was told, and fails
 * where it is told what no gateway should say; requests that a kill cuts off reject.
 */
export class CrashClient {
  readonly #name: string;
  readonly #ledger: CrashLedger;
  /** What its feed told it: document → revision of the winner. */
  readonly held = new Map<string, string | undefined>();
  #since: number | string = 0;
  #writes = 0;

  constructor(name: string, ledger: CrashLedger) {
    this.#name = name;
    this.#ledger = ledger;
  }

  async take(db: string, taken: Step): Promise<void> {
    switch (taken.do) {
      case 'write':
        return this.#write(db, taken.id, taken.content);
      case 'remove':
        return this.#remove(db, taken.id);
      case 'bulk':
        return this.#bulk(db, taken.ids, taken.content);
      case 'attach':
        return this.#attach(db, taken.id, taken.length);
      case 'branch':
        return this.#branch(db, taken.id, taken.content);
      case 'set user':
        return this.#setUser(db, this.#own(taken.which), taken.channels);
      case 'remove user':
        return this.#removeUser(db, this.#own(taken.which));
      case 'log in':
        return this.#logIn(db, this.#own(taken.which));
      case 'checkpoint':
        return this.#checkpoint(db, this.#own(taken.which));
      case 'follow':
        return this.follow(db);
    }
  }

  /** Reads its feed from where it stopped to the end. */
  async follow(db: string): Promise<void> {
    const rows = await feedOf(db, `since=${this.#since}&style=all_docs`);
    for (const { id: docid, changes, deleted } of rows)
      this.held.set(docid, deleted === true ? undefined : changes[0]?.rev);
    this.#since = rows.at(-1)?.seq ?? this.#since;
  }

  async #write(db: string, docid: string, { ...body }: Content): Promise<void> {
    const token = this.#token();
    const rev = await currentRev(db, docid);
    const url = `${db}/${docid}${rev === undefined ? '' : `?rev=${rev}`}`;
    const answer = await ask('PUT', url, { json: { ...body, token } });
    if (answer !== undefined) this.#ledger.written(docid, revIn(answer), token);
  }

  async #remove(db: string, docid: string): Promise<void> {
    const rev = await currentRev(db, docid);
    if (rev === undefined) return;
    const answer = await ask('DELETE', `${db}/${docid}?rev=${rev}`);
    if (answer !== undefined) this.#ledger.written(docid, revIn(answer));
  }

  async #bulk(db: string, ids: readonly string[], body: Content): Promise<void> {
    const token = this.#token();
    const docs = await Promise.all(
      ids.map(async (docid) => ({
        _id: docid,
        _rev: await currentRev(db, docid),
        ...body,
        token,
      })),
    );
    const answer = await ask('POST', `${db}/_bulk_docs`, { json: { docs } });
    assert(answer !== undefined, 'a bulk request is not refused as a whole');
    for (const row of answer.json as { id: string; rev?: string; status?: number }[]) {
      if (row.rev !== undefined) this.#ledger.written(row.id, row.rev, token);
      else assert(REFUSED.includes(row.status ?? 0), JSON.stringify(row));
    }
  }

  async #attach(db: string, docid: string, length: number): Promise<void> {
    const rev = await currentRev(db, docid);
    if (rev === undefined) return;
    const token = this.#token();
    const data = Buffer.from(token.padEnd(length, '-')).toString('base64');
    const json = { token, channels: ['a'], _attachments: { file: { data } } };
    const answer = await ask('PUT', `${db}/${docid}?rev=${rev}`, { json });
    if (answer !== undefined) this.#ledger.written(docid, revIn(answer), token);
  }

  /** A revision that another client made over one that was acknowledged some time. */
  async #branch(db: string, docid: string, body: Content): Promise<void> {
    const parents = this.#ledger.revisionsOf(docid);
    const parent = parents[this.#writes % Math.max(parents.length, 1)];
    const token = this.#token();
    const digest = createHash('md5').update(token).digest('hex');
    const [generation = '0', before] = parent?.split('-') ?? [];
    const ids = before === undefined ? [digest] : [digest, before];
    const start = Number(generation) + 1;
    const json = { ...body, token, _revisions: { start, ids }, _rev: `${start}-${digest}` };
    const answer = await ask('PUT', `${db}/${docid}?new_edits=false`, { json });
    if (answer !== undefined) this.#ledger.written(docid, `${start}-${digest}`, token);
  }

  async #setUser(db: string, name: string, channels: readonly string[]): Promise<void> {
    const state = channels.toSorted().join();
    const before = this.#ledger.userState(name);
    if (before === undefined) return;
    this.#ledger.changeUser(name, state);
    const password = before === ABSENT ? { password: 'letmein' } : {};
    const json = { ...password, admin_channels: channels };
    const answer = await ask('PUT', `${db}/_user/${name}`, { json });
    assert(answer !== undefined, 'a user can be set');
    this.#ledger.settleUser(name, state);
  }

  async #removeUser(db: string, name: string): Promise<void> {
    const sessions = this.#ledger.sessionsOf(name);
    this.#ledger.changeUser(name, ABSENT);
    await ask('DELETE', `${db}/_user/${name}`);
    this.#ledger.settleUser(name, ABSENT, sessions);
  }

  async #logIn(db: string, name: string): Promise<void> {
    const answer = await ask('POST', `${db}/_session`, { json: { name } });
    if (answer === undefined) return;
    const { session_id: session } = answer.json as unknown as { session_id: string };
    this.#ledger.loggedIn(session, name);
  }

  async #checkpoint(db: string, name: string): Promise<void> {
    const stored = await request('GET', `${db}/_local/${name}`);
    const token = this.#token();
    this.#ledger.changeCheckpoint(name, token);
    const _rev = (stored.json as { _rev?: string })._rev;
    const answer = await ask('PUT', `${db}/_local/${name}`, { json: { _rev, token } });
    assert(answer !== undefined, 'a checkpoint has one writer');
    this.#ledger.settleCheckpoint(name, token);
  }

  /** Users and checkpoints are its own, so that it knows in which order they changed. */
  #own(number: number): string {
    return `${this.#name}-${number}`;
  }

  #token(): string {
    this.#writes += 1;
    return `${this.#name}-w${this.#writes}`;
  }
}

/** Undefined where it was refused because of others; fails where it failed. */
async function ask(
  method: string,
  url: string,
  options: RequestOptions = {},
): Promise<Answer | undefined> {
  const answer = await request(method, url, options);
  if (REFUSED.includes(answer.status)) return undefined;
  assert(CREATED.includes(answer.status), `${method} ${url}: ${answer.status} ${answer.text}`);
  return answer;
}

async function currentRev(db: string, docid: string): Promise<string | undefined> {
  const answer = await request('GET', `${db}/${docid}`);
  return (answer.json as { _rev?: string })._rev;
}

const revIn = ({ json }: Answer): string => (json as { rev: string }).rev;
