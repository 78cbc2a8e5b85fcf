import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { TestDatabase } from './helpers/database.ts';
import { createDatabase } from './helpers/database.ts';
import type { TestGateway } from './helpers/gateway.ts';
import { startTestGateway } from './helpers/gateway.ts';
import { request } from './helpers/http.ts';

// What administrators do with single documents: what the transcripts of a reference do not show.

const SYNC = `function(doc, oldDoc) {
  channel(doc.channels);
  if (doc.gives) access("ann", doc.gives);
}`;

let gateway: TestGateway;
before(async () => {
  gateway = await startTestGateway();
});
after(async () => {
  await gateway[Symbol.asyncDispose]();
});

let databases = 0;

async function database(): Promise<TestDatabase> {
  databases += 1;
  return createDatabase({ urls: gateway }, `tools${databases}`, {
    bucket: `tools${databases}`,
    sync: SYNC,
    allow_conflicts: true,
  });
}

async function put(url: string, json: unknown): Promise<string> {
  const answer = await request('PUT', url, { json });
  assert.equal(answer.status, 201, answer.text);
  return (answer.json as { rev: string }).rev;
}

async function changedIds(url: string): Promise<readonly string[]> {
  const { json } = await request('GET', url);
  return (json as { results: readonly { id: string }[] }).results.map(({ id }) => id);
}

/** A document that was in a, then in b, then in a again, and is in b now. */
async function wanderer(db: TestDatabase): Promise<void> {
  let rev: string | undefined;
  for (const channels of ['a', 'b', 'a', 'b'])
    rev = await put(`${db.admin}/doc${rev === undefined ? '' : `?rev=${rev}`}`, { channels });
}

test('a purged document is in no feed, and its grants end', async () => {
  const db = await database();
  await request('PUT', `${db.admin}/_user/ann`, { json: { password: 'letmein' } });
  const as = 'ann:letmein';
  await put(`${db.admin}/giver`, { channels: ['a'], gives: ['a'] });
  await put(`${db.admin}/other`, { channels: ['a'] });
  await put(`${db.admin}/_local/checkpoint`, { kept: true });
  assert.equal((await request('GET', `${db.public}/other`, { as })).status, 200);
  const purged = await request('POST', `${db.admin}/_purge`, {
    json: { giver: ['*'], '': ['*'], _local: ['*'], __proto__: ['*'], absent: ['*'] },
  });
  assert.deepEqual(purged.json, { purged: { giver: ['*'] } });
  assert.equal((await request('GET', `${db.public}/other`, { as })).status, 403);
  for (const query of ['', '?filter=sync_gateway/bychannel&channels=a', '?include_docs=true'])
    assert.deepEqual(await changedIds(`${db.admin}/_changes${query}`), ['other']);
  assert.equal((await request('GET', `${db.admin}/_raw/giver`)).status, 404);
  assert.equal((await request('GET', `${db.admin}/_local/checkpoint`)).status, 200);
  assert.match(await put(`${db.admin}/giver`, { again: true }), /^1-/);
  assert.deepEqual(await changedIds(`${db.admin}/_changes`), ['other', 'giver']);
});

test('many documents are purged by one request', async () => {
  const db = await database();
  const docs = Array.from({ length: 1200 }, (_, n) => ({ _id: `d${n}` }));
  await request('POST', `${db.admin}/_bulk_docs`, { json: { docs } });
  const all = Object.fromEntries(docs.map(({ _id: id }) => [id, ['*']]));
  const answer = await request('POST', `${db.admin}/_purge`, { json: all });
  assert.deepEqual(answer.json, { purged: all });
  assert.deepEqual(await changedIds(`${db.admin}/_changes`), []);
});

test('_raw can hide names, and tells equal ones apart by the salt that it was given', async () => {
  const db = await database();
  await put(`${db.admin}/doc`, {
    channels: ['secret'],
    gives: ['hidden'],
    _attachments: { private: { data: 'YWJj' } },
  });
  const read = async (query: string): Promise<string> =>
    (await request('GET', `${db.admin}/_raw/doc${query}`)).text;
  const plain = await read('');
  for (const name of ['secret', 'hidden', 'ann', 'private']) assert.ok(plain.includes(`"${name}"`));
  const redacted = await read('?redact=true');
  for (const name of ['secret', 'hidden', 'ann', 'private'])
    assert.ok(!redacted.includes(`"${name}"`));
  assert.notEqual(await read('?redact=true'), redacted);
  assert.equal(await read('?redact=true&salt=a'), await read('?redact=true&salt=a'));
});

test('_raw keeps the spelling of the body', async () => {
  const db = await database();
  const body = '{"n":1.0000000000000000001,"z":1,"a":2}';
  const headers = { 'content-type': 'application/json' };
  await request('PUT', `${db.admin}/doc`, { body, headers });
  const { text } = await request('GET', `${db.admin}/_raw/doc`);
  assert.ok(text.startsWith(`${body.slice(0, -1)},"_xattrs":{`), text);
});

test('_revtree shows branches, tombstones and the winner', async () => {
  const db = await database();
  const push = (rev: string, more: object = {}): Promise<string> =>
    put(`${db.admin}/doc?new_edits=false`, {
      _revisions: { start: 2, ids: [rev, 'aaaa'] },
      ...more,
    });
  await push('bbbb');
  await push('cccc');
  await push('dddd', { _deleted: true });
  const { text, headers } = await request('GET', `${db.admin}/_revtree/doc`);
  assert.equal(headers.get('content-type'), 'text/vnd.graphviz');
  assert.equal(
    text,
    `digraph revisions {
  node [shape=box];
  "1-aaaa" [label="1-aaaa"];
  "2-bbbb" [label="2-bbbb", style="bold"];
  "2-cccc" [label="2-cccc", style="filled,bold"];
  "2-dddd" [label="2-dddd\\ndeleted", style="bold,dashed"];
  "1-aaaa" -> "2-bbbb";
  "1-aaaa" -> "2-cccc";
  "1-aaaa" -> "2-dddd";
}
`,
  );
});

test('_dumpchannel shows what is in a channel and what left it, and runs nothing', async () => {
  const db = await database();
  await put(`${db.admin}/${encodeURIComponent('<script>')}`, { channels: ['a'] });
  const rev = await put(`${db.admin}/gone`, { channels: ['a'] });
  await put(`${db.admin}/gone?rev=${rev}`, { channels: ['b'] });
  const { text, headers } = await request('GET', `${db.admin}/_dumpchannel/a`);
  assert.match(headers.get('content-type') ?? '', /^text\/html/);
  assert.ok(text.includes('&lt;script>') && !text.includes('<script>'));
  assert.match(text, /<td>gone<\/td><td>2-[0-9a-f]+<\/td><td>left<\/td>/);
  const later = await request('GET', `${db.admin}/_dumpchannel/b?since=1000`);
  assert.equal(later.status, 404);
  assert.equal((await request('GET', `${db.admin}/_dumpchannel/none`)).status, 404);
  assert.ok((await request('GET', `${db.admin}/_dumpchannel/*`)).text.includes('gone'));
});

test('a document forgets its earlier stays in channels, and is where it was', async () => {
  const db = await database();
  await wanderer(db);
  const history = async (): Promise<Record<string, readonly number[]>> =>
    (await request('GET', `${db.admin}/_channel_history/doc`)).json as never;
  const before = await history();
  assert.deepEqual([before['a']?.length, before['b']?.length], [2, 1]);
  const compact = `${db.admin}/_channel_history/doc/compact`;
  assert.equal((await request('POST', compact, { json: { unknown: 1 } })).status, 400);
  assert.equal((await request('POST', compact)).status, 200);
  assert.deepEqual(Object.keys(await history()), ['a']);
  for (const [channel, count] of [
    ['a', 1],
    ['b', 1],
  ] as const) {
    const rows = `${db.admin}/_changes?filter=sync_gateway/bychannel&channels=${channel}`;
    assert.equal((await changedIds(rows)).length, count, channel);
  }
  assert.equal((await request('POST', `${db.admin}/_channel_history/none/compact`)).status, 404);
  assert.equal((await request('GET', `${db.admin}/_channel_history/none`)).status, 404);
});
