import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { createDatabase, PASSWORD, putUser } from '../helpers/database.ts';
import { ForeignWriter } from '../helpers/foreign-writer.ts';
import { PouchClient } from '../helpers/pouch-client.ts';
import type { GatewayProcess } from '../helpers/run-gateway.ts';
import { runGateway } from '../helpers/run-gateway.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

// PouchDB clients that sync with a gateway, while applications write into its bucket.

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

test('documents of the sqlite3 program and of a driver reach clients, and their edits go on', async () => {
  const sync = 'function (doc) { channel(doc.owner); }';
  const db = await createDatabase(gateway, 'orders', { sync });
  await putUser(db, 'ann', { admin_channels: ['ann'] });
  await putUser(db, 'bob', { admin_channels: ['bob'] });
  await using ann = new PouchClient({ name: 'ann', url: db.public, as: `ann:${PASSWORD}` });
  await using bob = new PouchClient({ name: 'bob', url: db.public, as: `bob:${PASSWORD}` });
  ann.startSync();
  bob.startSync();
  using driver = new ForeignWriter(folder.path, 'orders');
  const file = path.join(folder.path, 'orders.sqlite');
  const program = spawn('sqlite3', ['-cmd', '.timeout 10000', file], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  const ended = once(program, 'exit');
  const count = 40;
  for (let n = 0; n < count; n++) {
    const owner = n % 2 === 0 ? 'ann' : 'bob';
    driver.put(`driver-${n}`, { owner, n, by: 'driver' });
    program.stdin.write(
      `INSERT INTO documents (key, body)
       VALUES ('program-${n}', json_object('owner', '${owner}', 'n', ${n}, 'by', 'program'));\n`,
    );
  }
  const hasAll = (name: string, has: number) => (held: ReadonlyMap<string, unknown>) =>
    [...held.keys()].filter((id) => id.startsWith(name)).length === has;
  for (const client of [ann, bob])
    for (const name of ['driver-', 'program-'])
      await client.watch.until(`all of ${name}`, hasAll(name, count / 2));
  // A client edits what the program made, and the program what the client made of it.
  const first = await ann.local.get('program-0');
  await ann.local.put({ ...first, edited: 'by ann' });
  await ann.local.put({ _id: 'hers', owner: 'ann', by: 'ann' });
  await until('both are pushed', () =>
    ['program-0', 'hers'].every((id) => ann.acknowledged.has(id)) ? true : undefined,
  );
  program.stdin.end(`
    UPDATE documents SET body = json_set(body, '$.stamp', 1)
      WHERE body ->> 'owner' = 'ann' AND body ->> 'by' <> 'driver';
    UPDATE documents SET body = json_set(body, '$.owner', 'bob') WHERE key = 'program-2';
    DELETE FROM documents WHERE key = 'program-4';\n`);
  assert.deepEqual(await ended, [0, null]);
  await ann.watch.until('her document with the stamp', (held) => {
    const [edited, hers] = [held.get('program-0')?.doc, held.get('hers')?.doc];
    return edited?.['edited'] === 'by ann' && edited['stamp'] === 1 && hers?.['stamp'] === 1;
  });
  assert.match(ann.watch.held.get('program-0')?.rev ?? '', /^3-/);
  await bob.watch.until('what was given to him', (held) => held.has('program-2'));
  await ann.watch.until(
    'nothing that is gone or is another’s',
    (held) => !held.has('program-2') && !held.has('program-4'),
  );
  await ann.stopSync();
  await bob.stopSync();
});
