import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { createRevId } from '../../src/document/rev-id.ts';
import type { RevId } from '../../src/document/types.ts';
import { request } from './http.ts';
import { randomOf } from './random.ts';
import type { ApplicationWrite } from './run-application.ts';
import type { GatewayProcess } from './run-gateway.ts';
import { until } from './until.ts';

const APPLICATION = path.join(import.meta.dirname, 'run-application.ts');
const IDLE_WITHIN_MS = 60_000;
/** How long a client leaves a gateway alone that cannot be reached. */
const AWAY_MS = 20;
const DELETED = '{"_deleted":true}';

/** A write of a client: acknowledged, or one of which it never heard. */
interface ClientWrite {
  readonly key: string;
  /** Canonical JSON of the revision, without its id. */
  readonly canonical: string;
  /** Undefined where no answer came. */
  readonly rev: string | undefined;
}

export interface RaceOptions {
  /** The file of the bucket. */
  readonly file: string;
  /** Where the database is, under the URLs of a gateway. */
  readonly database: string;
  readonly keys: number;
  readonly seed: number;
  /** The mean pause of the application after a write, ms. */
  readonly pauseMs: number;
  readonly clients: number;
}

/** What was written in a race, by whom. */
export interface RaceLog {
  readonly application: readonly ApplicationWrite[];
  readonly clients: readonly ClientWrite[];
}

/**
 * An application, in a process of its own, and clients of some gateways write the same documents
 * while `during` runs. Gateways may die and be replaced meanwhile: `gateways` gives those that are
 * there. Afterwards the log of all, which grows meanwhile.
 */
export async function race(
  options: RaceOptions,
  gateways: () => readonly GatewayProcess[],
  during: (log: RaceLog) => Promise<unknown>,
): Promise<RaceLog> {
  const { file, keys, seed, pauseMs } = options;
  const args = [APPLICATION, file, keys, seed, pauseMs].map(String);
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit') as Promise<[number | null]>;
  const application: ApplicationWrite[] = [];
  const told = (async () => {
    for await (const line of createInterface({ input: child.stdout }))
      application.push(JSON.parse(line) as ApplicationWrite);
  })();
  const stop = new AbortController();
  const clients: ClientWrite[] = [];
  const writers = Array.from({ length: options.clients }, async (_, own) => {
    const client = new RaceClient(options, own, clients);
    while (!stop.signal.aborted) await client.write(gateways);
  });
  try {
    const ending = during({ application, clients }).then(() => stop.abort());
    await Promise.all([ending, ...writers]);
  } finally {
    stop.abort();
    child.stdin.end();
  }
  assert.equal((await ended)[0], 0, 'the application ended well');
  await told;
  return { application, clients };
}

/** One client, which writes one document after the other. */
class RaceClient {
  readonly #options: RaceOptions;
  readonly #log: ClientWrite[];
  readonly #random: () => number;
  readonly #own: number;
  #count = 0;

  constructor(options: RaceOptions, own: number, log: ClientWrite[]) {
    this.#options = options;
    this.#own = own;
    this.#log = log;
    this.#random = randomOf(options.seed + 1000 * (own + 1));
  }

  async write(gateways: () => readonly GatewayProcess[]): Promise<void> {
    const there = gateways();
    const gateway = there[Math.floor(this.#random() * there.length)];
    const key = `d${Math.floor(this.#random() * this.#options.keys)}`;
    const deletes = this.#random() < 0.1;
    if (gateway === undefined) return sleep(AWAY_MS);
    const url = `${gateway.urls.admin}/${this.#options.database}/${key}`;
    this.#count += 1;
    const id = this.#own * 1_000_000 + this.#count;
    const canonical = deletes ? DELETED : JSON.stringify({ channels: ['c0'], client: id });
    let rev: string | undefined;
    try {
      const read = await request('GET', url);
      const at = (read.json as { _rev?: string } | undefined)?._rev;
      if (deletes && at === undefined) return;
      const query = at === undefined ? '' : `?rev=${at}`;
      const answer = deletes
        ? await request('DELETE', `${url}${query}`)
        : await request('PUT', `${url}${query}`, { json: JSON.parse(canonical) as unknown });
      // Somebody was faster, or it cannot be said now: then nothing was written.
      if (answer.status === 409 || answer.status === 404) return;
      if (answer.status === 503) return await sleep(AWAY_MS);
      assert.ok(answer.status === 201 || answer.status === 200, answer.text);
      ({ rev } = answer.json as { rev: string });
    } catch (cause) {
      if (cause instanceof assert.AssertionError) throw cause;
      // The gateway was killed, or paused: the write may be there or not.
      await sleep(AWAY_MS);
    }
    this.#log.push({ key, canonical, rev });
  }
}

/** Resolves when both have written so often: on a busy machine that takes a while. */
export async function untilWritten(log: RaceLog, times: number): Promise<void> {
  await until(
    `${times} writes of each`,
    () => (log.application.length >= times && log.clients.length >= times ? true : undefined),
    { withinMs: IDLE_WITHIN_MS },
  );
}

/** Resolves when no foreign write waits any more. */
export async function untilAllImported(
  { urls }: GatewayProcess,
  { database }: RaceOptions,
): Promise<void> {
  await until(
    'nothing waits to be imported',
    async () => {
      const { json } = await request('GET', `${urls.admin}/${database}/_import`);
      const status = json as { backlog: number; rejected: number } | undefined;
      assert.equal(status?.rejected ?? 0, 0);
      return status?.backlog === 0 ? true : undefined;
    },
    { withinMs: IDLE_WITHIN_MS },
  );
}

interface Revision {
  readonly rev: string;
  readonly parent: string | undefined;
  readonly deleted: boolean;
}

/** The revisions of a document, as `_raw` tells. */
async function revisionsOf(
  { urls }: GatewayProcess,
  { database }: RaceOptions,
  key: string,
): Promise<readonly Revision[]> {
  const { json } = await request('GET', `${urls.admin}/${database}/_raw/${key}`);
  const raw = json as { _xattrs?: { _sync: { history: History } } };
  if (raw._xattrs === undefined) return [];
  const { revs, parents, deleted = [] } = raw._xattrs._sync.history;
  return revs.map((rev, at) => ({
    rev,
    parent: revs[parents[at] ?? -1],
    deleted: deleted.includes(at),
  }));
}

interface History {
  readonly revs: readonly string[];
  readonly parents: readonly number[];
  readonly deleted?: readonly number[];
}

/**
 * Holds the stored documents to the log: every write of the application is a revision, or the
 * application itself wrote over it before it was one; every acknowledged write of a client is a
 * revision; no state is two revisions; nothing else is there. Gives how many were imported.
 */
export async function checkRace(
  gateways: readonly GatewayProcess[],
  options: RaceOptions,
  log: RaceLog,
): Promise<number> {
  const [gateway] = gateways;
  assert.ok(gateway !== undefined);
  let imported = 0;
  for (let at = 0; at < options.keys; at += 1) {
    const key = `d${at}`;
    const revisions = await revisionsOf(gateway, options, key);
    const own = log.application.filter((write) => write.key === key);
    const theirs = log.clients.filter((write) => write.key === key);
    const states = statesOf(key, revisions, { own, theirs });
    checkApplication(key, own, states);
    imported += states.imported.size + states.deletions;
    await checkCurrent(gateways, options, { key, revisions });
  }
  return imported;
}

interface States {
  /** Bodies of the application that are revisions. */
  readonly imported: ReadonlySet<string>;
  /** How many revisions are deletions that no client asked for. */
  readonly deletions: number;
  /** All deletions: one that a client asked for, too, has the same id as its. */
  readonly tombstones: number;
}

/** Says of each revision whose write it is. */
function statesOf(
  key: string,
  revisions: readonly Revision[],
  written: { readonly own: readonly ApplicationWrite[]; readonly theirs: readonly ClientWrite[] },
): States {
  const acknowledged = new Set(written.theirs.flatMap(({ rev }) => rev ?? []));
  const unheard = written.theirs.filter(({ rev }) => rev === undefined);
  const parents = new Set<string | undefined>();
  const imported = new Set<string>();
  let deletions = 0;
  for (const { rev, parent, deleted } of revisions) {
    assert.ok(!parents.has(parent), `${key}: two revisions are children of ${parent}`);
    parents.add(parent);
    if (acknowledged.delete(rev)) continue;
    const isOf = (canonical: string): boolean =>
      createRevId(parent as RevId | undefined, canonical) === rev;
    const write = written.own.find(({ body }) => body !== null && isOf(body));
    if (write !== undefined) {
      const body = write.body ?? '';
      assert.ok(!imported.has(body), `${key}: ${body} is two revisions`);
      imported.add(body);
    } else if (deleted) {
      assert.ok(isOf(DELETED), `${key}: ${rev} is a deletion of nobody`);
      deletions += 1;
    } else {
      assert.ok(
        unheard.some(({ canonical }) => isOf(canonical)),
        `${key}: nobody wrote ${rev}`,
      );
    }
  }
  assert.deepEqual([...acknowledged], [], `${key}: acknowledged and lost`);
  const tombstones = revisions.filter(({ deleted }) => deleted).length;
  return { imported, deletions, tombstones };
}

/** No write of the application was lost to anybody but the application. */
function checkApplication(
  key: string,
  own: readonly ApplicationWrite[],
  { imported, tombstones }: States,
): void {
  let mustBeDeleted = 0;
  let isKnown = false;
  for (const [at, { body, before: row }] of own.entries()) {
    const next = own[at + 1];
    // A gateway wrote it, or took it in, and so has a revision.
    if (row !== null && row.cas > 0) isKnown = true;
    if (body === null) {
      // A client wrote after the deletion: so that was seen, where there was something to delete.
      if (isKnown && next !== undefined && next.before !== null) mustBeDeleted += 1;
      continue;
    }
    if (imported.has(body)) continue;
    const { before } = next ?? {};
    assert.ok(before?.body === body && before.cas < 0, `${key}: ${body} was lost`);
  }
  assert.ok(tombstones >= mustBeDeleted, `${key}: ${tombstones} of ${mustBeDeleted} deletions`);
}

/** What all gateways read, what the file holds, and what the tree says is the same. */
async function checkCurrent(
  gateways: readonly GatewayProcess[],
  { file, database }: RaceOptions,
  { key, revisions }: { readonly key: string; readonly revisions: readonly Revision[] },
): Promise<void> {
  using db = new DatabaseSync(file, { readOnly: true });
  const row = db.prepare('SELECT cas, body FROM documents WHERE key = ?').get(key);
  assert.ok(row === undefined || Number(row['cas']) > 0, `${key} is not imported`);
  const parents = new Set(revisions.map(({ parent }) => parent));
  const leaf = revisions.find(({ rev }) => !parents.has(rev));
  for (const { urls } of gateways) {
    const { status, json } = await request('GET', `${urls.admin}/${database}/${key}`);
    if (row === undefined) {
      assert.equal(status, 404, key);
      assert.ok(leaf === undefined || leaf.deleted, `${key} is there`);
      continue;
    }
    const { _id, _rev, ...body } = json as { _id: string; _rev: string };
    assert.deepEqual([_id, _rev], [key, leaf?.rev]);
    assert.deepEqual(body, JSON.parse(String(row['body'])), key);
  }
}
