import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createDatabase, PASSWORD, putUser } from '../helpers/database.ts';
import type { TestDatabase } from '../helpers/database.ts';
import { request } from '../helpers/http.ts';
import { PouchClient } from '../helpers/pouch-client.ts';
import type { Fields, Store } from '../helpers/pouch.ts';
import { localStore, networkFetch, remoteStore } from '../helpers/pouch.ts';
import type { GatewayProcess } from '../helpers/run-gateway.ts';
import { runGateway } from '../helpers/run-gateway.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

// PouchDB against one gateway; each test has a database of its own.
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let gateway: GatewayProcess;

before(async () => {
  folder = await temporaryFolder();
  gateway = await runGateway({ dataDir: folder.path });
});
after(async () => {
  await gateway?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

const BY_CHANNELS = 'function (doc) { channel(doc.channels); }';

function openClient({ public: url }: TestDatabase, name: string): PouchClient {
  return new PouchClient({ name, url, as: `${name}:${PASSWORD}` });
}

async function databaseFor(
  name: string,
  users: Readonly<Record<string, readonly string[]>>,
  config: Readonly<Record<string, unknown>> = {},
): Promise<TestDatabase> {
  const database = await createDatabase(gateway, name, { sync: BY_CHANNELS, ...config });
  for (const [user, channels] of Object.entries(users))
    await putUser(database, user, { admin_channels: channels });
  return database;
}

/** Living leaves of a document as PouchDB tells them: the winner, then the others in order. */
async function leaves(store: Store, id: string): Promise<readonly string[]> {
  const { _rev: winner } = await store.get(id);
  const all = await store.get(id, { open_revs: 'all' });
  const living = all.flatMap(({ ok }) => (ok === undefined || ok['_deleted'] ? [] : [ok._rev]));
  return [winner, ...living.filter((rev) => rev !== winner).toSorted()];
}

test('a wrong password is refused, and nothing is replicated', async () => {
  const { public: url } = await databaseFor('password', { ann: ['a'] });
  await using client = new PouchClient({ name: 'ann', url, as: 'ann:wrong' });
  await client.local.put({ _id: 'mine', channels: ['a'] });
  await assert.rejects(client.local.replicate.to(client.remote), { status: 401 });
  await assert.rejects(client.local.replicate.from(client.remote), { status: 401 });
});

test('a document that the sync function refuses is denied, and stops no other', async () => {
  const sync = 'function (doc) { requireAccess(doc.channels); channel(doc.channels); }';
  const database = await databaseFor('denied', { ann: ['a'], bob: ['a', 'b'] }, { sync });
  await using ann = openClient(database, 'ann');
  await using bob = openClient(database, 'bob');
  await ann.local.bulkDocs([
    { _id: 'first', channels: ['a'] },
    { _id: 'foreign', channels: ['b'] },
    { _id: 'last', channels: ['a'] },
  ]);
  ann.startSync();
  bob.startSync();
  await bob.watch.until('the two that ann may write', ({ size }) => size === 2);
  assert.deepEqual([...bob.watch.held.keys()].toSorted(), ['first', 'last']);
  await ann.untilDenied('foreign');
  assert.deepEqual([...ann.denied], ['foreign']);
  assert.equal((await request('GET', `${database.admin}/foreign`)).status, 404);
});

test('a replication goes on from its checkpoint, also after a restart of the gateway', async () => {
  await using ownFolder = await temporaryFolder();
  await using first = await runGateway({ dataDir: ownFolder.path });
  const database = await createDatabase(first, 'resume', { sync: BY_CHANNELS });
  await putUser(database, 'ann', { admin_channels: ['a'] });
  const local = localStore('resume');
  const as = `ann:${PASSWORD}`;
  for (const id of ['one', 'two', 'three'])
    await request('PUT', `${database.admin}/${id}`, { json: { channels: ['a'] } });
  await local.put({ _id: 'mine', channels: ['a'] });
  const pulled = await local.replicate.from(remoteStore(database.public, { as }));
  const pushed = await local.replicate.to(remoteStore(database.public, { as }));
  assert.deepEqual([pulled.docs_read, pushed.docs_written], [3, 1]);
  await first.stop('SIGKILL');

  const flags = ['--public-interface', new URL(first.urls.public).host];
  await using second = await runGateway({ dataDir: ownFolder.path, flags });
  await request('PUT', `${second.urls.admin}/resume/four`, { json: { channels: ['a'] } });
  const asked: string[] = [];
  const fetch: typeof networkFetch = (url, options) => {
    asked.push(new Request(url).url);
    return networkFetch(url, options);
  };
  const remote = remoteStore(database.public, { as, fetch });
  const again = await local.replicate.from(remote);
  assert.equal(again.docs_read, 1);
  const feeds = asked.filter((each) => each.includes('/_changes?'));
  assert.ok(feeds[0]?.includes(`since=${pulled.last_seq}&`), feeds[0]);
  asked.length = 0;
  // NOTE: what was pulled stands in the store's own feed too; the gateway has it all.
  const nothing = await local.replicate.to(remote);
  assert.equal(nothing.docs_read, 0);
  assert.deepEqual(
    asked.filter((each) => each.includes('_bulk_docs')),
    [],
  );
  await local.destroy();
});

test('attachments of every kind arrive byte by byte, and change and go', async () => {
  const database = await databaseFor('attachments', { ann: ['a'], bob: ['a'] });
  await using ann = openClient(database, 'ann');
  await using bob = openClient(database, 'bob');
  const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  const large = Buffer.alloc(3_000_000, every);
  // NOTE: no name with a slash: PouchDB asks for `doc/dir/file`, which is no path here (as recorded
  // in attachments/odd-names-and-sharing).
  const files: Readonly<Record<string, Buffer>> = {
    empty: Buffer.alloc(0),
    'every byte.bin': every,
    'the same again': every,
    'größe ☃.bin': Buffer.from('snow'),
    large,
  };
  const attachments = Object.entries(files).map(
    ([name, data]) => [name, { content_type: 'application/x-thing', data }] as const,
  );
  const { rev } = await ann.local.put({
    _id: 'files',
    channels: ['a'],
    _attachments: Object.fromEntries(attachments),
  });
  ann.startSync();
  bob.startSync();
  await bob.watch.until('the document', (held) => held.get('files')?.rev === rev);
  for (const [name, data] of Object.entries(files)) {
    assert.ok(data.equals(await bob.local.getAttachment('files', name)), `${name} at bob`);
    assert.ok(data.equals(await ann.remote.getAttachment('files', name)), `${name} at the gateway`);
  }

  const { _attachments: stubs, ...fields } = await bob.local.get('files');
  const { empty: gone, ...kept } = stubs as Record<string, Fields>;
  assert.equal(gone?.['content_type'], 'application/x-thing');
  const changed = { content_type: 'text/plain', data: Buffer.from('small now') };
  const second = await bob.local.put({ ...fields, _attachments: { ...kept, large: changed } });
  await ann.watch.until('the next revision', (held) => held.get('files')?.rev === second.rev);
  assert.equal(String(await ann.local.getAttachment('files', 'large')), 'small now');
  assert.ok(every.equals(await ann.local.getAttachment('files', 'every byte.bin')));
  await assert.rejects(ann.local.getAttachment('files', 'empty'), { status: 404 });
  await assert.rejects(ann.remote.getAttachment('files', 'empty'), { status: 404 });
});

test('without allow_conflicts a conflicting revision is refused, however it comes', async () => {
  const database = await databaseFor('refused', { ann: ['a'], bob: ['a'] });
  await using ann = openClient(database, 'ann');
  await using bob = openClient(database, 'bob');
  await ann.local.put({ _id: 'doc', channels: ['a'], by: 'nobody' });
  await ann.local.replicate.to(ann.remote);
  await bob.local.replicate.from(bob.remote);
  const first = await bob.local.get('doc');

  const won = await ann.local.put({ ...first, by: 'ann' });
  await ann.local.replicate.to(ann.remote);
  await assert.rejects(bob.remote.put({ ...first, by: 'bob, directly' }), {
    status: 409,
    name: 'conflict',
  });
  await assert.rejects(bob.remote.put({ _id: 'doc', channels: ['a'] }), { status: 409 });
  await bob.local.put({ ...first, by: 'bob' });
  await bob.local.put({ _id: 'other', channels: ['a'] });
  await assert.rejects(
    bob.local.replicate.to(bob.remote),
    ({ result }: { result: Fields }) =>
      result['doc_write_failures'] === 1 && result['docs_written'] === 1,
  );
  assert.deepEqual(await leaves(ann.remote, 'doc'), [won.rev]);
  assert.equal((await ann.remote.get('other'))._id, 'other', 'the rest of the batch is there');

  // What the application does about it: it takes the other edit, and writes on top of it.
  await bob.local.replicate.from(bob.remote);
  assert.equal((await leaves(bob.local, 'doc')).length, 2);
  const merged = await bob.remote.put({ ...first, _rev: won.rev, by: 'ann and bob' });
  await ann.local.replicate.from(ann.remote);
  assert.deepEqual(await leaves(ann.local, 'doc'), [merged.rev]);
});

test('with allow_conflicts everyone ends with the same winner and the same conflicts', async () => {
  const names = ['ann', 'bob', 'cat'];
  const users = Object.fromEntries(names.map((name) => [name, ['a']]));
  const database = await databaseFor('conflicts', users, { allow_conflicts: true });
  await using open = new AsyncDisposableStack();
  const clients = names.map((name) => open.use(openClient(database, name)));
  const ids = Array.from({ length: 20 }, (_, index) => `doc-${index}`);
  const [ann] = clients as [PouchClient];
  await ann.local.bulkDocs(ids.map((_id) => ({ _id, channels: ['a'], by: 'nobody' })));
  await ann.local.replicate.to(ann.remote);
  for (const { local, remote } of clients) await local.replicate.from(remote);

  // Each makes another number of edits of each document, and some end in a deletion.
  for (const [index, { name, local }] of clients.entries())
    for (const [at, id] of ids.entries()) await editAlone(local, id, { name, index, at });
  // What the last one pushes in the first round reaches the first one in the second.
  for (let round = 0; round < 2; round++)
    for (const { local, remote } of clients) {
      await local.replicate.to(remote);
      await local.replicate.from(remote);
    }
  await assertSameLeaves(clients, database, ids);

  for (const id of ids) await resolve(ann.local, id);
  await ann.local.replicate.to(ann.remote);
  for (const { local, remote } of clients) await local.replicate.from(remote);
  const all = await assertSameLeaves(clients, database, ids);
  assert.deepEqual(
    all.filter(({ length }) => length > 1),
    [],
    'no conflict is left',
  );
});

async function editAlone(
  store: Store,
  id: string,
  { name, index, at }: { readonly name: string; readonly index: number; readonly at: number },
): Promise<void> {
  const edits = 1 + ((index + at) % 3);
  for (let edit = 0; edit < edits; edit++)
    await store.put({ ...(await store.get(id)), by: `${name} ${edit}` });
  if ((index + at) % 5 === 0) await store.remove(id, (await store.get(id))._rev);
}

/** Gives the leaves of each document, after it is sure that all have the same. */
async function assertSameLeaves(
  clients: readonly PouchClient[],
  { admin }: TestDatabase,
  ids: readonly string[],
): Promise<readonly (readonly string[])[]> {
  const told = (store: Store): Promise<readonly (readonly string[])[]> =>
    Promise.all(ids.map((id) => leaves(store, id)));
  const atGateway = await told(remoteStore(admin));
  for (const { name, local } of clients) assert.deepEqual(await told(local), atGateway, name);
  return atGateway;
}

/** Keeps the winner. */
async function resolve(store: Store, id: string): Promise<void> {
  const [, ...others] = await leaves(store, id);
  for (const rev of others) await store.remove(id, rev);
}

test('a document that leaves the channels is emptied at the client, and comes back', async () => {
  const database = await databaseFor('moves', { ann: ['a'], bob: ['b'] });
  await using ann = openClient(database, 'ann');
  await using bob = openClient(database, 'bob');
  const put = async (rev: string | undefined, body: Fields): Promise<string> => {
    const query = rev === undefined ? '' : `?rev=${rev}`;
    const answer = await request('PUT', `${database.admin}/doc${query}`, { json: body });
    return (answer.json as { readonly rev: string }).rev;
  };
  ann.startSync();
  bob.startSync();
  const inA = await put(undefined, { channels: ['a'], text: 'for ann' });
  await ann.watch.until('the document', (held) => held.get('doc')?.rev === inA);
  const inB = await put(inA, { channels: ['b'], text: 'for bob alone' });
  await bob.watch.until('the document', (held) => held.get('doc')?.rev === inB);
  await ann.watch.until('it no more', (held) => !held.has('doc'));
  assert.deepEqual(await ann.local.get('doc'), { _id: 'doc', _rev: inB }, 'nothing of it came');
  const back = await put(inB, { channels: ['a', 'b'], text: 'for both' });
  await ann.watch.until('it again', (held) => held.get('doc')?.rev === back);
  assert.equal((await ann.local.get('doc'))['text'], 'for both');
});

test('access that a document grants brings the older documents of the channel, live', async () => {
  const sync = `function (doc) {
    channel(doc.channels);
    if (doc.member) access(doc.member, doc.of);
  }`;
  const database = await databaseFor('grants', { ann: ['a'] }, { sync });
  const put = async (id: string, json: Fields): Promise<void> => {
    const { status } = await request('PUT', `${database.admin}/${id}`, { json });
    assert.equal(status, 201);
  };
  for (let index = 0; index < 30; index++) await put(`old-${index}`, { channels: ['b'] });
  await put('hers', { channels: ['a'] });
  await using ann = openClient(database, 'ann');
  ann.startSync();
  await ann.watch.until('her one document', ({ size }) => size === 1);
  await put('grant', { channels: [], member: 'ann', of: ['b'] });
  await ann.watch.until('the channel’s documents too', ({ size }) => size === 31);
  await put('newer', { channels: ['b'] });
  await ann.watch.until('what comes after', (held) => held.has('newer'));
});
