import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { TestDatabase } from './helpers/database.ts';
import { createDatabase, putUser } from './helpers/database.ts';
import type { TestGateway } from './helpers/gateway.ts';
import { startTestGateway } from './helpers/gateway.ts';
import type { Answer } from './helpers/http.ts';
import { request } from './helpers/http.ts';

// A sync function or an import filter tried on a document, without a trace of it.

const SYNC = `function (doc, oldDoc, meta) {
  console.log('old', oldDoc ? oldDoc.n : null, meta);
  if (doc.broken) nothing();
  if (doc.loops) for (;;);
  if (doc.secret) throw({forbidden: 'no ' + doc.secret});
  if (doc.owner) requireUser(doc.owner);
  channel(doc.channels);
  access(doc.to, 'given');
  role(doc.to, 'role:staff');
  if (doc.until) expiry(doc.until);
}`;

let gateway: TestGateway;
let db: TestDatabase;
before(async () => {
  gateway = await startTestGateway();
  db = await createDatabase({ urls: gateway }, 'db', { sync: SYNC });
  await putUser(db, 'ann', {});
  await putUser(db, 'bob', {});
});
after(async () => {
  await gateway[Symbol.asyncDispose]();
});

interface DryRun {
  readonly id: string;
  readonly rev: string;
  readonly channels: readonly string[];
  readonly access: Readonly<Record<string, readonly string[]>>;
  readonly roles: Readonly<Record<string, readonly string[]>>;
  readonly expiry?: string;
  readonly rejection?: { readonly status: number; readonly reason: string };
  readonly exception?: {
    readonly status: number;
    readonly message: string;
    readonly line?: number;
    readonly column?: number;
  };
  readonly log: readonly { readonly level: string; readonly text: string }[];
  readonly elapsed_ms: number;
}

function ask(json: unknown, path = '_sync_function/dry_run'): Promise<Answer> {
  return request('POST', `${db.admin}/${path}`, { json });
}

async function dryRun(json: unknown): Promise<DryRun> {
  const answer = await ask(json);
  assert.equal(answer.status, 200, answer.text);
  return answer.json as unknown as DryRun;
}

test('what the function says of a new document is told, and nothing is stored', async () => {
  const before = await request('GET', `${db.admin}/`);
  const told = await dryRun({
    doc: { _id: 'new', channels: ['a', 'b', 'a'], to: ['ann'], until: '2040-01-02T03:04:05Z' },
  });
  assert.partialDeepStrictEqual(told, {
    id: 'new',
    channels: ['a', 'b'],
    access: { ann: ['given'] },
    roles: { ann: ['staff'] },
    expiry: '2040-01-02T03:04:05Z',
    log: [{ level: 'info', text: 'old null {"xattrs":{}}' }],
  });
  assert.ok(told.elapsed_ms >= 0);
  const after = await request('GET', `${db.admin}/`);
  const sequence = ({ json }: Answer) => (json as { update_seq: number }).update_seq;
  assert.equal(sequence(after), sequence(before));
  assert.equal((await request('GET', `${db.admin}/new`)).status, 404);
  const written = await request('PUT', `${db.admin}/new`, {
    json: { channels: ['a', 'b', 'a'], to: ['ann'], until: '2040-01-02T03:04:05Z' },
  });
  assert.equal((written.json as { rev: string }).rev, told.rev, 'a write gets that very revision');
});

test('a stored document is run as it is, or as what a given one replaces', async () => {
  await request('PUT', `${db.admin}/stored`, { json: { n: 1, channels: 'x' } });
  const { _rev: rev } = (await request('GET', `${db.admin}/stored`)).json as Record<string, string>;
  const asStored = await dryRun({ doc_id: 'stored' });
  assert.deepEqual([asStored.id, asStored.channels], ['stored', ['x']]);
  assert.match(asStored.log[0]!.text, /^old null/);
  const doc = { n: 2, channels: 'y' };
  const replacing = await dryRun({ doc_id: 'stored', doc });
  assert.deepEqual(replacing.channels, ['y']);
  assert.match(replacing.log[0]!.text, /^old 1 /);
  assert.match((await dryRun({ doc_id: 'stored', doc, old_doc: null })).log[0]!.text, /^old null/);
  const given = await dryRun({ doc_id: 'stored', doc, old_doc: { n: 7 }, meta: { xattrs: 1 } });
  assert.equal(given.log[0]!.text, 'old 7 {"xattrs":1}');
  await request('DELETE', `${db.admin}/stored?rev=${rev}`);
  const sync = 'function (doc) { channel(doc._deleted ? "gone" : "there"); }';
  assert.deepEqual((await dryRun({ doc_id: 'stored', sync })).channels, ['gone']);
});

test('rejections are told with their status, by the rights of the user who writes', async () => {
  const doc = { owner: 'ann', channels: 'a' };
  assert.deepEqual((await dryRun({ doc, user: 'ann' })).channels, ['a']);
  const refused = await dryRun({ doc, user: 'bob' });
  assert.deepEqual(refused.rejection, { status: 403, reason: 'wrong user' });
  assert.deepEqual(refused.channels, []);
  assert.equal((await dryRun({ doc })).rejection, undefined, 'an administrator passes');
  assert.deepEqual((await dryRun({ doc: { secret: 'way' } })).rejection, {
    status: 403,
    reason: 'no way',
  });
});

test('an exception is told with its place, and a function that loops with its limit', async () => {
  const broken = await dryRun({ doc: { broken: true } });
  assert.partialDeepStrictEqual(broken.exception, { status: 500, line: 3, column: 19 });
  assert.match(broken.exception!.message, /nothing is not defined/);
  assert.match(broken.log[0]!.text, /^old null/, 'what it wrote before is told');
  const loops = await dryRun({ doc: { loops: true } });
  assert.match(loops.exception!.message, /longer than|time/);
  assert.deepEqual((await dryRun({ doc: { channels: 'a' } })).channels, ['a']);
});

test('another function may be given, and rules nothing', async () => {
  const sync = 'function (doc) { channel("other"); log(1, {a: 2}); }';
  const told = await dryRun({ doc: { channels: 'a' }, sync });
  assert.deepEqual(told.channels, ['other']);
  assert.deepEqual(told.log, [{ level: 'info', text: '1 {"a":2}' }]);
  assert.deepEqual((await dryRun({ doc: { channels: 'a' } })).channels, ['a']);
});

test('an import filter says yes or no, or breaks', async () => {
  const filter = 'function (doc) { if (doc.bad) nothing(); return doc.type === "mobile"; }';
  const run = async (doc: unknown) => {
    const answer = await ask({ doc, import_filter: filter }, '_import_filter/dry_run');
    assert.equal(answer.status, 200, answer.text);
    return answer.json as { accepts: boolean; exception?: { line: number } };
  };
  assert.equal((await run({ type: 'mobile' })).accepts, true);
  assert.equal((await run({ type: 'web' })).accepts, false);
  assert.partialDeepStrictEqual(await run({ bad: true }), {
    accepts: false,
    exception: { line: 1 },
  });
  await createDatabase({ urls: gateway }, 'filtered', {
    bucket: 'filtered',
    import_filter: 'function (doc) { return doc.type === "web"; }',
  });
  const url = `${gateway.admin}/filtered/_import_filter/dry_run`;
  const answer = await request('POST', url, { json: { doc: { type: 'web' } } });
  assert.partialDeepStrictEqual(answer.json, { accepts: true });
});

test('what is asked wrongly is refused, with what to say', async () => {
  const doc = {};
  for (const [body, status, reason] of [
    [{}, 400, /give the document as doc/],
    [{ doc_id: 'nosuch' }, 404, /no document nosuch/],
    [{ doc: { _id: 'a' }, doc_id: 'b' }, 400, /_id of doc is not doc_id/],
    [{ doc: [] }, 400, /doc/],
    [{ doc, user: 'nosuch' }, 404, /no user nosuch/],
    [{ doc, sync: 'function (doc) { ' }, 400, /sync function.*line 1/],
    [{ doc, sync: 'nothing' }, 400, /sync function/],
    [{ doc, else: 1 }, 400, /else/],
    [{ doc: { _attachments: 1 } }, 400, /_attachments/],
  ] as const) {
    const answer = await ask(body);
    assert.equal(answer.status, status, `${JSON.stringify(body)}: ${answer.text}`);
    assert.match((answer.json as { reason: string }).reason, reason);
  }
  const filter = await ask({ doc }, '_import_filter/dry_run');
  assert.equal(filter.status, 400);
  await request('PUT', `${db.admin}/_user/bob`, { json: { disabled: true } });
  assert.equal((await ask({ doc, user: 'bob' })).status, 400);
  const clients = await request('POST', `${db.public}/_sync_function/dry_run`, { json: { doc } });
  assert.equal(clients.status, 404);
});
