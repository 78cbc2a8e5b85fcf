import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { openBucket } from 'tidegate/bucket';
import { createDatabase, PASSWORD, putUser } from '../helpers/database.ts';
import type { TestDatabase } from '../helpers/database.ts';
import { PouchClient } from '../helpers/pouch-client.ts';
import type { GatewayProcess } from '../helpers/run-gateway.ts';
import { runGateway } from '../helpers/run-gateway.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

// PouchDB clients sync while the sqlite3 program and an application with the library write into the
// bucket: everybody ends with the same documents, as far as they may see them.

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

const fileOf = (name: string): string => `${folder.path}/${name}.sqlite`;

/** What the program prints. */
async function sqlite(name: string, sql: string): Promise<string> {
  const run = promisify(execFile);
  const { stdout } = await run('sqlite3', ['-cmd', '.timeout 10000', fileOf(name), sql]);
  return stdout.trim();
}

async function databaseFor(
  name: string,
  users: Readonly<Record<string, readonly string[]>>,
  config: Readonly<Record<string, unknown>> = {},
) {
  const database = await createDatabase(gateway, name, {
    sync: 'function (doc) { channel(doc.channels); }',
    ...config,
  });
  for (const [user, channels] of Object.entries(users))
    await putUser(database, user, { admin_channels: channels });
  return database;
}

function openClient({ public: url }: TestDatabase, name: string): PouchClient {
  return new PouchClient({ name, url, as: `${name}:${PASSWORD}` });
}

test('what sqlite3 writes, changes, moves and deletes reaches the clients that may see it', async () => {
  const database = await databaseFor('program', { ann: ['a'], bob: ['b'] });
  await using ann = openClient(database, 'ann');
  await using bob = openClient(database, 'bob');
  ann.startSync();
  bob.startSync();
  await sqlite(
    'program',
    `INSERT INTO documents (key, body) VALUES
       ('both', '{"channels":["a","b"],"n":1}'), ('hers', '{"channels":["a"],"n":1}')`,
  );
  await ann.watch.until('both and hers', (held) => held.has('both') && held.has('hers'));
  await bob.watch.until('both', (held) => held.has('both'));
  assert.equal(bob.watch.held.has('hers'), false);
  await sqlite(
    'program',
    `UPDATE documents SET body = '{"channels":["b"],"n":2}' WHERE key = 'hers'`,
  );
  await bob.watch.until('hers, as changed', (held) => held.get('hers')?.doc['n'] === 2);
  await ann.watch.until('hers no more', (held) => !held.has('hers'));
  await sqlite('program', `DELETE FROM documents WHERE key = 'both'`);
  await ann.watch.until('nothing', (held) => held.size === 0);
  await bob.watch.until('hers alone', (held) => [...held.keys()].join() === 'hers');
});

test('what clients write stands in the table, and both sides go on from each other', async () => {
  const database = await databaseFor('library', { ann: ['a'], bob: ['a'] });
  await using ann = openClient(database, 'ann');
  await using bob = openClient(database, 'bob');
  ann.startSync();
  bob.startSync();
  using application = await openBucket(fileOf('library'));
  const documents = await application.collection();
  await ann.local.put({ _id: 'order', channels: ['a'], total: 1 });
  const ordered = await until('the order stands in the table', () => documents.get('order'));
  assert.deepEqual(ordered.body, { channels: ['a'], total: 1 });
  await documents.upsert('order', { channels: ['a'], total: 2 }, { cas: ordered.cas });
  for (const client of [ann, bob])
    await client.watch.until('total 2', (held) => held.get('order')?.doc['total'] === 2);
  const { _rev: rev } = await bob.local.get('order');
  assert.match(rev, /^2-/);
  await bob.local.put({ _id: 'order', _rev: rev, channels: ['a'], total: 3 });
  await ann.watch.until('total 3', (held) => held.get('order')?.doc['total'] === 3);
  const paid = await until('total 3 in the table', async () => {
    const now = await documents.get('order');
    return JSON.stringify(now?.body).includes('"total":3') ? now : undefined;
  });
  await documents.remove('order', { cas: paid.cas });
  for (const client of [ann, bob])
    await client.watch.until('no order', (held) => !held.has('order'));
  await ann.local.put({ _id: 'order', channels: ['a'], total: 4 });
  await bob.watch.until('the order again', (held) => held.get('order')?.doc['total'] === 4);
});

test('clients and sqlite3 that write the same documents end with the same', async () => {
  // Without it PouchDB tries a revision that conflicts again and again, until somebody resolves it.
  const conflicts = { allow_conflicts: true };
  const database = await databaseFor('mixed', { ann: ['a'], bob: ['a'] }, conflicts);
  await using ann = openClient(database, 'ann');
  await using bob = openClient(database, 'bob');
  ann.startSync();
  bob.startSync();
  const keys = Array.from({ length: 10 }, (_, n) => `d${n}`);
  for (let round = 0; round < 5; round += 1) {
    const rows = keys.map((key) => `('${key}', '{"channels":["a"],"sql":${round}}')`).join();
    const written = sqlite(
      'mixed',
      `INSERT INTO documents (key, body) VALUES ${rows}
       ON CONFLICT (collection, key) DO UPDATE SET body = excluded.body`,
    );
    for (const client of [ann, bob]) {
      for (const key of keys.slice(round, round + 3)) {
        const before = await client.local.get(key).catch(() => undefined);
        await client.local.put({
          _id: key,
          ...(before && { _rev: before._rev }),
          channels: ['a'],
          [client.name]: round,
        });
      }
    }
    await written;
  }
  const stored = async (): Promise<string> => {
    const rows = await sqlite('mixed', 'SELECT key, body, cas > 0 FROM documents ORDER BY key');
    return rows.split('\n').map(sorted).join('\n');
  };
  await until(
    'all hold what is stored',
    async () => {
      const there = await stored();
      const all = keys.map((key) => [ann, bob].map((client) => heldBy(client, key)));
      const isSame = all.every(([one, other]) => one === other);
      return isSame && all.map(([one]) => one).join('\n') === there ? true : undefined;
    },
    { withinMs: 30_000 },
  );
});

/** A row of the table, with the members of the body in order. */
function sorted(row: string): string {
  const [key = '', body = '{}', isImported = ''] = row.split('|');
  return told(key, JSON.parse(body) as object) + (isImported === '1' ? '' : ' foreign');
}

function heldBy(client: PouchClient, key: string): string {
  const { _id: _, ...body } = client.watch.held.get(key)?.doc ?? {};
  return told(key, body);
}

const told = (key: string, body: object): string =>
  `${key} ${JSON.stringify(Object.entries(body).toSorted(([a], [b]) => (a < b ? -1 : 1)))}`;
