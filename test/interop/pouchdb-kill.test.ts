import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestDatabase } from '../helpers/database.ts';
import { createDatabase, PASSWORD, putUser } from '../helpers/database.ts';
import { DocumentWatch } from '../helpers/document-watch.ts';
import { request } from '../helpers/http.ts';
import { PouchClient } from '../helpers/pouch-client.ts';
import { remoteStore } from '../helpers/pouch.ts';
import type { GatewayProcess } from '../helpers/run-gateway.ts';
import { runGateway } from '../helpers/run-gateway.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import {
  contents,
  expectedContents,
  holdsExactly,
  photoDocument,
  PhotoModel,
} from './photo-model.ts';

/** Writers may write where they may read; nobody but an administrator writes elsewhere. */
const SYNC_FUNCTION = `function (doc, oldDoc) {
  if (oldDoc && !oldDoc._deleted) requireAccess(oldDoc.channels);
  if (!doc._deleted) requireAccess(doc.channels);
  channel(doc.channels);
}`;

/** Each writes into the first of its channels, and into `all`. */
const ACCESS: Readonly<Record<string, readonly string[]>> = {
  ann: ['north', 'all'],
  bob: ['south', 'all'],
  cat: ['east', 'all', 'north'],
};
/** `vault` is nobody's. */
const ADMIN_CHANNELS = ['north', 'south', 'east', 'all', 'vault'];
const DOCUMENTS_EACH = 250;
/** What each client makes of its own while the gateway is away. */
const MADE_MEANWHILE = 20;

test('three clients and a gateway that is killed end equal, and nothing acknowledged is lost', async () => {
  await using folder = await temporaryFolder();
  await using open = new AsyncDisposableStack();
  const first = open.use(await runGateway({ dataDir: folder.path }));
  const database = await createDatabase(first, 'photos', { sync: SYNC_FUNCTION });
  for (const [name, channels] of Object.entries(ACCESS))
    await putUser(database, name, { admin_channels: channels });
  const model = new PhotoModel();
  const clients = Object.keys(ACCESS).map((name) => openClient(database, name));
  for (const client of clients) open.use(client);

  for (const client of clients) await writeOwn(client, model, DOCUMENTS_EACH - MADE_MEANWHILE);
  for (const client of clients) client.startSync();
  const writer = new RestWriter(database, model);
  const written = writer.write(DOCUMENTS_EACH);
  const [ann, bob, cat] = clients as [PouchClient, PouchClient, PouchClient];
  await cat.watch.until('what it had and 100 others', ({ size }) => size >= DOCUMENTS_EACH + 80);
  await first.stop('SIGKILL');

  const acknowledged = [writer.acknowledged, ...clients.map((each) => each.acknowledged)].flatMap(
    (revisions) => [...revisions],
  );
  assert.ok(acknowledged.length > 100, `${acknowledged.length} were acknowledged before the kill`);
  for (const client of clients) await changeOwn(client, model);

  open.use(await runGateway({ dataDir: folder.path, flags: sameInterfaces(first) }));
  assert.deepEqual(await missing(database, acknowledged), {}, 'what was acknowledged is there');
  writer.goOn();
  await written;
  await allHold(database, clients, model);

  await editOfOthers(ann, model, 'cat');
  await editOfOthers(bob, model, 'ann');
  await editOfOthers(cat, model, 'rest');
  await allHold(database, clients, model);
  await compare(database, clients, model);
});

function openClient({ public: url }: TestDatabase, name: string): PouchClient {
  return new PouchClient({ name, url, as: `${name}:${PASSWORD}` });
}

function sameInterfaces({ urls }: GatewayProcess): readonly string[] {
  return Object.entries(urls).flatMap(([name, url]) => [`--${name}-interface`, new URL(url).host]);
}

/** New documents in the client's own store, every third for everyone. */
async function writeOwn(client: PouchClient, model: PhotoModel, count: number): Promise<void> {
  const [own = '', all = ''] = ACCESS[client.name] ?? [];
  const start = model.visible().length;
  const photos = Array.from({ length: count }, (_, index) => ({
    id: `${client.name}-${start + index}`,
    channels: [index % 3 === 0 ? all : own],
    version: 1,
  }));
  const answers = await client.local.bulkDocs(photos.map(photoDocument));
  for (const [index, answer] of answers.entries()) {
    assert.ok('rev' in answer, 'the store took it');
    model.put({ ...photos[index]!, rev: answer.rev });
  }
}

/** While the gateway is away: new documents, new photos of old ones, deletions. */
async function changeOwn(client: PouchClient, model: PhotoModel): Promise<void> {
  const own = model.visible().filter(({ id }) => id.startsWith(`${client.name}-`));
  await writeOwn(client, model, MADE_MEANWHILE);
  for (const { id } of own.slice(0, 20)) await newPhoto(client, model, id);
  for (const { id, rev } of own.slice(20, 40)) {
    await client.local.remove(id, rev);
    model.remove(id);
  }
}

async function newPhoto({ local }: PouchClient, model: PhotoModel, id: string): Promise<void> {
  const photo = model.get(id);
  const next = { id, channels: photo.channels, version: photo.version + 1 };
  const { rev } = await local.put({ ...photoDocument(next), _rev: photo.rev });
  model.put({ ...next, rev });
}

/** Documents that somebody else made and this client may see. */
async function editOfOthers(client: PouchClient, model: PhotoModel, by: string): Promise<void> {
  const theirs = model.visible(ACCESS[client.name]).filter(({ id }) => id.startsWith(`${by}-`));
  assert.ok(theirs.length >= 10, `${client.name} sees ${theirs.length} documents of ${by}`);
  for (const { id } of theirs.slice(0, 10)) await newPhoto(client, model, id);
  for (const { id, rev } of theirs.slice(-5)) {
    await client.local.remove(id, rev);
    model.remove(id);
  }
}

/** An application behind the gateway: writes one document after the other was acknowledged. */
class RestWriter {
  readonly acknowledged = new Map<string, string[]>();
  readonly #database: TestDatabase;
  readonly #model: PhotoModel;
  readonly #back = Promise.withResolvers<void>();

  constructor(database: TestDatabase, model: PhotoModel) {
    this.#database = database;
    this.#model = model;
  }

  /** The gateway is there again. */
  goOn(): void {
    this.#back.resolve();
  }

  async write(count: number): Promise<void> {
    for (let index = 0; index < count; index++) {
      const channel = ADMIN_CHANNELS[index % ADMIN_CHANNELS.length]!;
      await this.#put({ id: `rest-${index}`, channels: [channel], version: 1 });
    }
  }

  async #put(photo: Parameters<typeof photoDocument>[0]): Promise<void> {
    const url = `${this.#database.admin}/${photo.id}`;
    const rev = await this.#tryPut(url, photo).catch(async () => {
      await this.#back.promise;
      return this.#tryPut(url, photo);
    });
    this.acknowledged.set(photo.id, [rev]);
    this.#model.put({ ...photo, rev });
  }

  async #tryPut(url: string, photo: Parameters<typeof photoDocument>[0]): Promise<string> {
    const answer = await request('PUT', url, { json: inBase64(photo) });
    // Where the kill took the answer away, the document may be there already.
    const stored = answer.status === 409 ? await request('GET', url) : undefined;
    assert.ok(answer.status === 201 || stored?.status === 200, answer.text);
    const told = (stored ?? answer).json as { readonly rev?: string; readonly _rev?: string };
    return told.rev ?? told._rev ?? '';
  }
}

function inBase64(photo: Parameters<typeof photoDocument>[0]): unknown {
  const text = JSON.stringify(photoDocument(photo), (_, value) =>
    value?.type === 'Buffer' ? Buffer.from(value.data).toString('base64') : value,
  );
  return JSON.parse(text);
}

/** Which of these revisions the gateway does not know. */
async function missing(
  { admin }: TestDatabase,
  revisions: readonly (readonly [string, readonly string[]])[],
): Promise<unknown> {
  const asked = Object.fromEntries(revisions);
  const answer = await request('POST', `${admin}/_revs_diff`, { json: asked });
  assert.equal(answer.status, 200, answer.text);
  return answer.json;
}

/** Resolves once the gateway has everything, and each client what it may see. */
async function allHold(
  { admin }: TestDatabase,
  clients: readonly PouchClient[],
  model: PhotoModel,
): Promise<void> {
  using gateway = new DocumentWatch(remoteStore(admin), 'the gateway');
  const everything = model.visible();
  await gateway.until(`the ${everything.length} of the model`, holdsExactly(everything));
  for (const { name, watch } of clients) {
    const visible = model.visible(ACCESS[name]);
    await watch.until(`the ${visible.length} that it may see`, holdsExactly(visible));
  }
}

async function compare(
  { admin }: TestDatabase,
  clients: readonly PouchClient[],
  model: PhotoModel,
): Promise<void> {
  assert.deepEqual(await contents(remoteStore(admin)), expectedContents(model.visible()));
  for (const { name, local } of clients) {
    const expected = expectedContents(model.visible(ACCESS[name]));
    assert.deepEqual(await contents(local), expected, name);
  }
}
