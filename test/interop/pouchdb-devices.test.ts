import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { startBrowser } from '../helpers/browser.ts';
import type { TestBrowser } from '../helpers/browser.ts';
import { createDatabase, PASSWORD, putUser } from '../helpers/database.ts';
import type { TestDatabase } from '../helpers/database.ts';
import { request } from '../helpers/http.ts';
import { servePage } from '../helpers/page-server.ts';
import type { PageServer } from '../helpers/page-server.ts';
import type { Fields } from '../helpers/pouch.ts';
import { PouchDB } from '../helpers/pouch.ts';
import { runGateway } from '../helpers/run-gateway.ts';
import type { GatewayProcess } from '../helpers/run-gateway.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';
import { devicePage, openBrowserDevice } from './browser-device.ts';
import { PouchDevice } from './device.ts';
import type { Device } from './device.ts';
import { gatewayState, RevisionModel } from './revision-model.ts';

// PouchDB in Node and in a page of a real browser, by the same assertions. The page is of another
// origin than the gateway, so the browser enforces what CORS allows. In each test that device, ann,
// shares a database with one in Node, bob, and with plain REST.
const open = new AsyncDisposableStack();
let gateway: GatewayProcess;
let browser: TestBrowser;
let pages: PageServer;
let foreignPages: PageServer;
/** What pages complained about. */
const unusual: string[] = [];

before(async () => {
  const folder = open.use(await temporaryFolder());
  const script = await devicePage();
  pages = open.use(await servePage(script));
  foreignPages = open.use(await servePage(script));
  const config = path.join(folder.path, 'config.json');
  // For the root, which PouchDB asks who it is; databases have rules of their own.
  await writeFile(config, JSON.stringify({ api: { cors: corsOf(pages) } }));
  gateway = open.use(await runGateway({ dataDir: folder.path, flags: ['--config', config] }));
  browser = open.use(await startBrowser());
});
after(() => open.disposeAsync());

const ANN = `ann:${PASSWORD}`;

type Credentials = 'Basic' | 'cookie';

interface Place {
  readonly name: string;
  readonly openAnn: (database: TestDatabase, by: Credentials) => Promise<Device>;
}

const PLACES: readonly Place[] = [
  { name: 'in Node', openAnn: async (database) => nodeDevice(database, 'ann') },
  {
    name: 'in Chromium',
    openAnn: async ({ public: url }, by) => {
      if (by === 'Basic') return openInTab({ url, as: ANN });
      const ann = await openInTab({ url });
      await ann.logIn('ann', PASSWORD);
      return ann;
    },
  },
];

function nodeDevice({ public: url }: TestDatabase, user: string): Device {
  const name = `${user}-${randomUUID()}`;
  return new PouchDevice(PouchDB, 'memory', { name, url, as: `${user}:${PASSWORD}` });
}

/** Opens a device in a tab of its own, which is closed with it. */
async function openInTab(
  options: { readonly url: string; readonly as?: string },
  origin = pages.origin,
): Promise<Device> {
  const { page, complaints } = await browser.openTab();
  await page.goto(origin);
  const device = await openBrowserDevice(page, { name: randomUUID(), ...options });
  const destroy = async (): Promise<void> => {
    await device.destroy();
    await page.close();
    // The browser notes each answer from 400 on, and what CORS keeps from a stranger's page.
    const usual = origin === pages.origin ? /^Failed to load/ : /^Failed to load|by CORS policy/;
    unusual.push(...complaints.filter((text) => !usual.test(text)));
  };
  return { ...device, destroy };
}

interface Shared extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly ann: Device;
  readonly bob: Device;
}

async function share(
  { openAnn }: Place,
  by: Credentials,
  config: Readonly<Record<string, unknown>> = {},
): Promise<Shared> {
  const database = await newDatabase(config);
  const ann = await openAnn(database, by);
  const bob = nodeDevice(database, 'bob');
  return {
    database,
    ann,
    bob,
    [Symbol.asyncDispose]: async () => {
      await ann.destroy();
      await bob.destroy();
    },
  };
}

function corsOf({ origin }: PageServer): Fields {
  return { origin: [origin], headers: ['Authorization', 'Content-Type'] };
}

/** Of ann, with the channels `a` and `b`, and bob, with those and `c`. */
async function newDatabase(config: Readonly<Record<string, unknown>>): Promise<TestDatabase> {
  const database = await createDatabase(gateway, `db-${randomUUID()}`, {
    sync: 'function (doc) { channel(doc.channels); }',
    cors: { ...corsOf(pages), login_origin: [pages.origin] },
    ...config,
  });
  await putUser(database, 'ann', { admin_channels: ['a', 'b'] });
  await putUser(database, 'bob', { admin_channels: ['a', 'b', 'c'] });
  return database;
}

for (const place of PLACES) {
  test(`${place.name}: edits on all sides at once end with equal winners and conflicts`, async () => {
    await using shared = await share(place, 'cookie', { allow_conflicts: true });
    const { database, ann, bob } = shared;
    const model = new RevisionModel();
    const ids = Array.from({ length: 12 }, (_, index) => `doc-${index}`);
    const firsts = await ann.write(ids.map((_id) => ({ _id, channels: ['a'], by: 'nobody' })));
    for (const [at, id] of ids.entries()) model.edit(id, firsts[at]!);
    await ann.push();
    await bob.pull();
    await bob.untilState(model.state());

    // Each edits each document, one more often than the other; some end in a deletion.
    const writers = [deviceWriter(ann, 'ann'), deviceWriter(bob, 'bob'), restWriter(database)];
    const editAll = async (by: number): Promise<void> => {
      for (const [at, id] of ids.entries())
        await editAlone(writers[by]!, { model, id, parent: firsts[at]!, by, at });
    };
    await editAll(0);
    await editAll(1);
    await Promise.all([ann.start('both', { batch_size: 5 }), bob.start('both'), editAll(2)]);
    await everyoneHolds(shared, model);
    const conflicts = ids.flatMap((id) => model.conflicts(id));
    assert.ok(conflicts.length >= ids.length, `${conflicts.length} conflicts`);

    for (const id of ids)
      for (const rev of model.conflicts(id)) model.remove(id, await ann.remove(id, rev), rev);
    await everyoneHolds(shared, model);
    for (const [id, { conflicts: left }] of Object.entries(await bob.state()))
      assert.deepEqual(left, [], id);
  });

  test(`${place.name}: attachments arrive byte for byte, both ways`, async () => {
    await using shared = await share(place, 'Basic');
    const { database, ann, bob } = shared;
    const model = new RevisionModel();
    await ann.start('both');
    await bob.start('both');
    const files = {
      empty: Buffer.alloc(0),
      'every byte.bin': Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
      'größe ☃.bin': Buffer.from('snow'),
      large: noise(1_500_000, 'ann'),
    };
    const otherFiles = { ...files, large: noise(1_500_001, 'bob') };
    model.edit('by-ann', await writeFiles(ann, 'by-ann', files));
    model.edit('by-bob', await writeFiles(bob, 'by-bob', otherFiles));
    const large = noise(2_000_003, 'rest');
    const made = await putJson(`${database.admin}/by-rest`, { channels: ['b'] });
    const headers = { 'content-type': 'application/x-thing' };
    const file = `${database.admin}/by-rest/large`;
    const put = await request('PUT', `${file}?rev=${made}`, { body: large, headers });
    model.edit('by-rest', (put.json as { readonly rev: string }).rev);
    await everyoneHolds(shared, model);
    for (const device of [ann, bob]) {
      await assertFiles(device, 'by-ann', files);
      await assertFiles(device, 'by-bob', otherFiles);
      await assertFiles(device, 'by-rest', { large });
    }
    for (const [name, data] of Object.entries(files)) {
      const answer = await fetchBytes(`${database.admin}/by-ann/${encodeURIComponent(name)}`);
      assert.ok(data.equals(answer), `${name} at the gateway`);
    }

    // One changes, one goes, the others stay.
    const { _attachments: stubs, ...fields } = await ann.get('by-bob');
    const { empty: gone, ...kept } = stubs as Record<string, Fields>;
    assert.equal(gone?.['content_type'], 'application/x-thing');
    const next = { ...fields, _attachments: { ...kept, large: attachment(Buffer.from('small')) } };
    const [rev = ''] = await ann.write([next]);
    model.edit('by-bob', rev, model.winner('by-bob'));
    await everyoneHolds(shared, model);
    await assertFiles(bob, 'by-bob', { ...without(files, 'empty'), large: Buffer.from('small') });
    assert.equal((await request('GET', `${database.admin}/by-bob/empty`)).status, 404);
  });

  test(`${place.name}: what is deleted on one side is deleted on all, and may come back`, async () => {
    await using shared = await share(place, 'cookie');
    const { database, ann, bob } = shared;
    const model = new RevisionModel();
    const ids = ['by-ann', 'by-bob', 'by-rest', 'kept', 'with-reason'];
    const firsts = await ann.write(ids.map((_id) => ({ _id, channels: ['a'] })));
    for (const [at, id] of ids.entries()) model.edit(id, firsts[at]!);
    await ann.start('both');
    await bob.start('both');
    await everyoneHolds(shared, model);

    for (const [id, device] of [['by-ann', ann] as const, ['by-bob', bob] as const])
      model.remove(id, await device.remove(id, model.winner(id)), model.winner(id));
    const removed = await request(
      'DELETE',
      `${database.admin}/by-rest?rev=${model.winner('by-rest')}`,
    );
    const { rev: tombstone } = removed.json as { readonly rev: string };
    model.remove('by-rest', tombstone, model.winner('by-rest'));
    const parent = model.winner('with-reason');
    const reason = { channels: ['a'], reason: 'sold' };
    const [last = ''] = await ann.write([
      { _id: 'with-reason', _rev: parent, _deleted: true, ...reason },
    ]);
    model.remove('with-reason', last, parent);
    await everyoneHolds(shared, model);
    assert.equal((await bob.get('with-reason', last))['reason'], 'sold');
    await assert.rejects(ann.get('by-bob'), { status: 404 });
    await assert.rejects(bob.get('by-ann'), { status: 404 });
    for (const id of ['by-ann', 'by-bob', 'by-rest'])
      assert.equal((await request('GET', `${database.admin}/${id}`)).status, 404);

    const again = await putJson(`${database.admin}/by-ann`, { channels: ['a'], text: 'again' });
    model.edit('by-ann', again, model.winner('by-ann'));
    const [back = ''] = await ann.write([{ _id: 'by-rest', channels: ['a'], text: 'back' }]);
    model.edit('by-rest', back, model.winner('by-rest'));
    await everyoneHolds(shared, model);
    assert.equal((await ann.get('by-ann'))['text'], 'again');
    assert.equal((await bob.get('by-rest'))['text'], 'back');
  });

  test(`${place.name}: a filter by channel or by ids brings what it names and nothing else`, async () => {
    await using shared = await share(place, 'Basic');
    const { database, ann } = shared;
    const model = new RevisionModel();
    const put = async (id: string, channels: readonly string[]): Promise<void> =>
      model.edit(id, await putJson(`${database.admin}/${id}`, { channels }));
    for (const id of ['a1', 'a2', 'a3']) await put(id, ['a']);
    for (const id of ['b1', 'b2']) await put(id, ['b']);
    await put('ab', ['a', 'b']);
    await put('c', ['c']);
    const byChannel = (channels: string): Fields => ({
      filter: 'sync_gateway/bychannel',
      query_params: { channels },
    });
    const named = await ann.pull({ doc_ids: ['a2', 'c', 'nosuch'] });
    assert.equal(named.docs_read, 1);
    assert.deepEqual(await ann.state(), model.state(['a2']));
    assert.equal((await ann.pull(byChannel('a'))).docs_read, 3);
    assert.deepEqual(await ann.state(), model.state(['a1', 'a2', 'a3', 'ab']));
    assert.equal((await ann.pull(byChannel('a'))).docs_read, 0, 'goes on from its checkpoint');
    // A channel that ann has not brings nothing.
    assert.equal((await ann.pull(byChannel('b,c'))).docs_read, 2);
    await assert.rejects(ann.pull({ filter: 'app/mine' }), { status: 400 });
    await assert.rejects(ann.pull({ filter: 'sync_gateway/bychannel' }), { status: 400 });

    await ann.start('pull', byChannel('b'));
    await put('a4', ['a']);
    await put('b3', ['b']);
    const held = model.state(['a1', 'a2', 'a3', 'ab', 'b1', 'b2', 'b3']);
    await ann.untilState(held);
    await put('b4', ['b']);
    await ann.untilState({ ...held, ...model.state(['b4']) });
    await ann.stop();

    const mine = await ann.write([{ _id: 'mine', channels: ['b'] }, { _id: 'not yet' }]);
    model.edit('mine', mine[0]!);
    await ann.push({ doc_ids: ['mine'] });
    assert.deepEqual(await gatewayState(database), model.state());
  });

  test(`${place.name}: a document that leaves the channels is emptied, and comes back`, async () => {
    await using shared = await share(place, 'cookie');
    const { database, ann, bob } = shared;
    const url = `${database.admin}/doc`;
    const put = async (body: Fields, parent?: string): Promise<string> => {
      const model = new RevisionModel();
      const rev = await putJson(url, body, parent);
      if (body['_deleted'] === true) model.remove('doc', rev, parent);
      else model.edit('doc', rev, parent);
      await ann.untilState(model.state());
      return rev;
    };
    await ann.start('both');
    await bob.start('both');
    const first = await put({ channels: ['a'], text: 'for both' });
    const second = await put({ channels: ['c'], text: 'for bob alone' }, first);
    assert.deepEqual(await ann.get('doc'), { _id: 'doc', _rev: second }, 'nothing of it came');
    const third = await put({ channels: ['b'], text: 'for both again' }, second);
    assert.equal((await ann.get('doc'))['text'], 'for both again');
    await bob.untilState(await ann.state());
    await put({ channels: ['a'], _deleted: true }, third);
    assert.equal(Object.values(await ann.state())[0]?.deleted, true);
  });
}

test('a page that is loaded again, and a browser that is started again, go on where they were', async () => {
  await using profile = await temporaryFolder();
  const database = await newDatabase({});
  const model = new RevisionModel();
  const put = async (id: string): Promise<void> =>
    model.edit(id, await putJson(`${database.admin}/${id}`, { channels: ['a'] }));
  const options = { name: 'ann', url: database.public };
  for (const id of ['one', 'two', 'three']) await put(id);

  let lastSeq: number;
  {
    await using first = await startBrowser(profile.path);
    const { page, asked } = await first.openTab();
    await page.goto(pages.origin);
    const ann = await openBrowserDevice(page, options);
    await ann.logIn('ann', PASSWORD);
    const pulled = await ann.pull();
    assert.equal(pulled.docs_read, 3);
    const [mine = ''] = await ann.write([{ _id: 'mine', channels: ['a'] }]);
    model.edit('mine', mine);

    await page.reload();
    asked.length = 0;
    const again = await openBrowserDevice(page, options);
    assert.deepEqual(await again.state(), model.state());
    assert.equal((await again.pull()).docs_read, 0);
    assertResumed(asked, Number(pulled.last_seq));
    assert.equal((await again.push()).docs_written, 1);
    assert.deepEqual(await gatewayState(database), model.state());
    await put('four');
    const next = await again.pull();
    assert.equal(next.docs_read, 1);
    lastSeq = Number(next.last_seq);
    // The browser ends in the middle of this.
    await again.start('both');
    await put('five');
    await again.untilState(model.state());
  }

  await using second = await startBrowser(profile.path);
  const { page, asked } = await second.openTab();
  await page.goto(pages.origin);
  const ann = await openBrowserDevice(page, options);
  assert.deepEqual(await ann.state(), model.state());
  assert.equal((await ann.pull()).docs_read, 0, 'its cookie is still there');
  assertResumed(asked, lastSeq);
  await put('six');
  assert.equal((await ann.pull()).docs_read, 1);
  assert.deepEqual(await ann.state(), model.state());
});

/** It asked for what came after that, and for no document. */
function assertResumed(asked: readonly string[], lastSeq: number): void {
  const feeds = asked.filter((each) => each.includes('/_changes?'));
  assert.ok(feeds.length > 0);
  for (const feed of feeds)
    assert.ok(Number(/since=(\d+)/.exec(feed)?.[1]) >= lastSeq, `${feed} after ${lastSeq}`);
  assert.deepEqual(
    asked.filter((each) => each.includes('_bulk_get')),
    [],
  );
}

test('a page of an origin that is not allowed reads nothing, writes nothing and cannot log in', async () => {
  const database = await newDatabase({});
  await putJson(`${database.admin}/secret`, { channels: ['a'] });
  const { public: url } = database;
  const { origin } = foreignPages;
  const stranger = await openInTab({ url, as: ANN }, origin);
  await stranger.write([{ _id: 'mine', channels: ['a'] }]);
  const blocked = { message: 'Failed to fetch' };
  await assert.rejects(stranger.pull(), blocked);
  await assert.rejects(stranger.push(), blocked);
  await assert.rejects(stranger.logIn('ann', PASSWORD), blocked);
  assert.equal((await request('GET', `${database.admin}/mine`)).status, 404);
  assert.deepEqual(Object.keys(await stranger.state()), ['mine']);
  await stranger.destroy();
});

test('without a session, or after its end, a page is refused as any client is', async () => {
  // A challenge would make the browser ask its user for a password, before the page is told.
  const database = await newDatabase({ send_www_authenticate_header: false });
  await putJson(`${database.admin}/doc`, { channels: ['a'] });
  const ann = await openInTab({ url: database.public });
  await assert.rejects(ann.pull(), { status: 401 });
  await assert.rejects(ann.logIn('ann', 'wrong'), { status: 401 });
  await ann.logIn('ann', PASSWORD);
  assert.equal((await ann.pull()).docs_read, 1);
  await ann.logOut();
  await assert.rejects(ann.pull(), { status: 401 });
  await ann.destroy();
});

test('in all of this, no page had anything to complain about', () => {
  assert.deepEqual(unusual, []);
});

/** Makes a revision upon another one, and gives it; without a body, a tombstone. */
type Writer = (id: string, parent: string, body?: Fields) => Promise<string>;

function deviceWriter(device: Device, name: string): Writer {
  return async (id, parent, body) => {
    if (body === undefined) return device.remove(id, parent);
    const [rev = ''] = await device.write([{ ...body, _id: id, _rev: parent, by: name }]);
    return rev;
  };
}

/** Revisions as a replicator sends them: of an id that they bring along. */
function restWriter({ admin }: TestDatabase): Writer {
  const history = new Map<string, readonly string[]>();
  return async (id, parent, body) => {
    const start = Number.parseInt(parent, 10) + 1;
    const digest = createHash('md5')
      .update(`${id} ${parent} ${JSON.stringify(body)}`)
      .digest('hex');
    const ids = [digest, ...(history.get(`${id} ${parent}`) ?? [parent.split('-')[1]!])];
    const rev = `${start}-${digest}`;
    history.set(`${id} ${rev}`, ids);
    const doc = { _id: id, _rev: rev, ...(body ?? { _deleted: true }), _revisions: { start, ids } };
    const json = { new_edits: false, docs: [{ ...doc, ...(body && { by: 'rest' }) }] };
    const answer = await request('POST', `${admin}/_bulk_docs`, { json });
    assert.equal(answer.status, 201, answer.text);
    assert.doesNotMatch(answer.text, /error/);
    return rev;
  };
}

async function editAlone(
  write: Writer,
  options: {
    readonly model: RevisionModel;
    readonly id: string;
    readonly parent: string;
    readonly by: number;
    readonly at: number;
  },
): Promise<void> {
  const { model, id, by, at } = options;
  let { parent } = options;
  for (let edit = 0; edit < 1 + ((by + at) % 3); edit++) {
    const rev = await write(id, parent, { channels: ['a'], edit });
    model.edit(id, rev, parent);
    parent = rev;
  }
  if (at % (by + 4) !== 0) return;
  // NOTE: a tombstone that names no channel is in none; where nothing else of the document lives,
  // its readers are told of the first such one alone. So some name theirs.
  const tombstone = at % 3 === 0 ? { channels: ['a'], _deleted: true } : undefined;
  model.remove(id, await write(id, parent, tombstone), parent);
}

/** Resolves once both devices and the gateway are as the model says. */
async function everyoneHolds({ database, ann, bob }: Shared, model: RevisionModel): Promise<void> {
  const expected = model.state();
  await Promise.all([ann.untilState(expected), bob.untilState(expected)]);
  const wanted = JSON.stringify(expected);
  await until('the gateway holds what was pushed', async () =>
    JSON.stringify(await gatewayState(database)) === wanted ? true : undefined,
  );
}

async function putJson(url: string, json: Fields, parent?: string): Promise<string> {
  const answer = await request('PUT', parent === undefined ? url : `${url}?rev=${parent}`, {
    json,
  });
  assert.equal(answer.status, 201, answer.text);
  return (answer.json as { readonly rev: string }).rev;
}

/** Bytes that nothing can make smaller, and that follow from the seed. */
function noise(length: number, seed: string): Buffer {
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, block) =>
    createHash('sha256').update(`${seed} ${block}`).digest(),
  );
  return Buffer.concat(blocks).subarray(0, length);
}

function attachment(data: Buffer): Fields {
  return { content_type: 'application/x-thing', data: data.toString('base64') };
}

type Files = Readonly<Record<string, Buffer>>;

async function writeFiles(device: Device, id: string, files: Files): Promise<string> {
  const attachments = Object.entries(files).map(
    ([name, data]) => [name, attachment(data)] as const,
  );
  const doc = { _id: id, channels: ['a'], _attachments: Object.fromEntries(attachments) };
  const [rev = ''] = await device.write([doc]);
  return rev;
}

async function assertFiles(device: Device, id: string, files: Files): Promise<void> {
  const { _attachments: stubs } = await device.get(id);
  assert.deepEqual(Object.keys(stubs as Fields).toSorted(), Object.keys(files).toSorted(), id);
  for (const [name, data] of Object.entries(files)) {
    const held = Buffer.from(await device.attachment(id, name), 'base64');
    assert.ok(data.equals(held), `${name} of ${id}: ${held.length} bytes`);
  }
}

async function fetchBytes(url: string): Promise<Buffer> {
  const answer = await fetch(url);
  assert.equal(answer.status, 200);
  return Buffer.from(await answer.arrayBuffer());
}

function without(files: Files, name: string): Files {
  return Object.fromEntries(Object.entries(files).filter(([each]) => each !== name));
}
