// `npm run demo`: a gateway on free ports, the countries of the world with their flags, and three
// PouchDB clients who may each see some regions. They work in both directions, live; a country
// moves, a region is granted; the table at the end tells who holds what, and why. Ends by itself.
import { once } from 'node:events';
import type { TestDatabase } from '../test/helpers/database.ts';
import { PASSWORD } from '../test/helpers/database.ts';
import { DocumentWatch } from '../test/helpers/document-watch.ts';
import { PouchClient } from '../test/helpers/pouch-client.ts';
import type { Fields } from '../test/helpers/pouch.ts';
import { remoteStore } from '../test/helpers/pouch.ts';
import { runGateway } from '../test/helpers/run-gateway.ts';
import { temporaryFolder } from '../test/helpers/temporary-folder.ts';
import { countryId, FLAG, loadCountries } from './countries.ts';
import { areEqual, difference, holdingsTable, visible } from './holdings.ts';
import {
  assignment,
  getDocument,
  getPrincipal,
  openOffice,
  putDocument,
  putDocuments,
  USERS,
} from './office.ts';

/** However slow the machine: then it gives up, and cleans up. */
const MOST_MS = 60_000;
/** How many names of what a client gained or lost are told. */
const NAMES_MAX = 4;

/** In the channel that everybody has. */
const NOTICE: Fields = { _id: 'notice', type: 'notice', name: 'Notice', regions: ['!'] };
/** Documents that grant; no client holds them. */
const ASSIGNMENTS = 1;

/** What the parts of the story share. */
interface Scene {
  readonly database: TestDatabase;
  readonly world: DocumentWatch;
  readonly ada: PouchClient;
  readonly bao: PouchClient;
  readonly cleo: PouchClient;
  readonly clients: readonly PouchClient[];
}

const startedAt = performance.now();
{
  await using stage = new AsyncDisposableStack();
  const stop = AbortSignal.timeout(MOST_MS);
  await Promise.race([play(stage), interrupted('SIGINT'), interrupted('SIGTERM'), overtime(stop)]);
}
say('the gateway is stopped, and its folder is gone');

async function play(stage: AsyncDisposableStack): Promise<void> {
  const folder = stage.use(await temporaryFolder());
  const gateway = stage.use(await runGateway({ dataDir: folder.path }));
  say(`a gateway runs: ${gateway.urls.public} for clients, ${gateway.urls.admin} to administrate`);
  const database = await openOffice(gateway);
  const world = stage.use(new DocumentWatch(remoteStore(database.admin), 'the gateway'));
  const clients = USERS.map((name) =>
    stage.use(new PouchClient({ name, url: database.public, as: `${name}:${PASSWORD}` })),
  );
  const [ada, bao, cleo] = clients as [PouchClient, PouchClient, PouchClient];
  const scene: Scene = { database, world, ada, bao, cleo, clients };

  await loadWorld(scene);
  await firstSync(scene);
  await workInBothDirections(scene);
  await refuse(scene);
  await grantRegion(scene);
  await workTogether(scene);
  await moveCountry(scene);
  for (const client of clients) await inStep(scene, client);
  console.log('\nWho holds what, and why:\n');
  console.log(`${await holdingsTable(database, clients, world)}\n`);
}

async function loadWorld({ database, world }: Scene): Promise<void> {
  const countries = await loadCountries();
  await putDocuments(database, [NOTICE, ...countries]);
  await world.until('all of it', ({ size }) => size === ASSIGNMENTS + 1 + countries.length);
  say(`${countries.length} countries with their flags are in the gateway, and a notice for all`);
}

async function firstSync(scene: Scene): Promise<void> {
  for (const client of scene.clients) client.startSync();
  for (const client of scene.clients) {
    await inStep(scene, client);
    const { all_channels: channels } = await getPrincipal(scene.database, `_user/${client.name}`);
    const regions = channels.filter((channel) => channel !== '!').join(' and ');
    say(`${client.name} (${regions}) holds ${client.watch.held.size} documents`);
  }
}

/** Ada writes in her own store, the office reads it at the gateway; and the other way round. */
async function workInBothDirections(scene: Scene): Promise<void> {
  const { database, world, ada, bao } = scene;
  const portugal = await edit(ada, countryId('PT'), { visited: 'Lisbon, in spring' });
  await world.until('Ada’s note', (held) => held.get(countryId('PT'))?.rev === portugal);
  say('up: Ada noted a visit to Portugal, and the gateway has it');
  const japan = { ...(await getDocument(database, countryId('JP'))), visited: 'Kyoto, in autumn' };
  const rev = await putDocument(database, japan);
  await bao.watch.until('the office’s note', (held) => held.get(countryId('JP'))?.rev === rev);
  say('down: the office noted a visit to Japan, and Bao has it');
}

async function refuse({ database, bao }: Scene): Promise<void> {
  const document = { _id: 'country:ZZ', type: 'country', name: 'Ruritania', regions: ['europe'] };
  const { rev } = await bao.local.put(document);
  await bao.untilDenied(document._id);
  await bao.local.remove(document._id, rev);
  const { all_channels: channels } = await getPrincipal(database, '_user/bao');
  say(`refused: Bao, who has ${channels.join(', ')}, may not write into europe`);
}

async function grantRegion(scene: Scene): Promise<void> {
  const { database, world, cleo } = scene;
  const before = new Map(cleo.watch.held);
  const { _rev } = await getDocument(database, 'assignment:cleo');
  const rev = await putDocument(database, { ...assignment(['africa', 'europe']), _rev });
  await world.until('the grant', (held) => held.get('assignment:cleo')?.rev === rev);
  await inStep(scene, cleo);
  say('granted: the document assignment:cleo now gives Cleo europe too');
  tellDifference(cleo, before);
}

/** Two clients on one document, and a flag that both have. */
async function workTogether({ ada, cleo }: Scene): Promise<void> {
  const malta = await edit(cleo, countryId('MT'), { visited: 'Valletta, by ship' });
  await ada.watch.until('Cleo’s note', (held) => held.get(countryId('MT'))?.rev === malta);
  const flags = await Promise.all(
    [ada, cleo].map(({ local }) => local.getAttachment(countryId('MT'), FLAG)),
  );
  const [first, second] = flags as [Buffer, Buffer];
  if (!first.equals(second)) throw new Error('the flags of Malta differ');
  say(`together: Ada has what Cleo noted of Malta; both have its flag, ${first.length} bytes`);
}

async function moveCountry(scene: Scene): Promise<void> {
  const { database, world, clients } = scene;
  const before = new Map(clients.map((client) => [client, new Map(client.watch.held)]));
  const cyprus = await getDocument(database, countryId('CY'));
  const rev = await putDocument(database, { ...cyprus, regions: ['asia'] });
  await world.until('the move', (held) => held.get(countryId('CY'))?.rev === rev);
  for (const client of clients) await inStep(scene, client);
  say('moved: Cyprus went from europe to asia');
  for (const [client, held] of before) tellDifference(client, held);
}

/** Changes a document in the client's own store; gives the revision. */
async function edit({ local }: PouchClient, id: string, change: Fields): Promise<string> {
  const { rev } = await local.put({ ...(await local.get(id)), ...change });
  return rev;
}

/** Resolves when the client holds exactly what the gateway says that it may see. */
async function inStep({ database, world }: Scene, { name, watch }: PouchClient): Promise<void> {
  const { all_channels: channels } = await getPrincipal(database, `_user/${name}`);
  const mayHold = visible(world.held, channels);
  await watch.until(`the ${mayHold.size} that it may see`, (held) => areEqual(held, mayHold));
}

function tellDifference({ name, watch }: PouchClient, before: typeof watch.held): void {
  const { gained, lost } = difference(before, watch.held);
  const told = (names: readonly string[]): string => {
    const more = names.length > NAMES_MAX ? ', …' : '';
    return names.length === 0
      ? '0'
      : `${names.length} (${names.slice(0, NAMES_MAX).join(', ')}${more})`;
  };
  say(`  ${name} gained ${told(gained)}, lost ${told(lost)}`);
}

async function interrupted(signal: NodeJS.Signals): Promise<void> {
  await once(process, signal);
  throw new Error(`stopped by ${signal}`);
}

async function overtime(signal: AbortSignal): Promise<void> {
  await once(signal, 'abort');
  throw new Error(`the demo took more than ${MOST_MS / 1000} s`);
}

function say(line: string): void {
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`[${seconds.padStart(5)} s] ${line}`);
}
