import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { createDatabase, putUser } from './helpers/database.ts';
import type { TestGateway } from './helpers/gateway.ts';
import { startTestGateway } from './helpers/gateway.ts';
import { request } from './helpers/http.ts';
import { runCommand } from './helpers/run-command.ts';

// `tidegate resync …`: the whole way of a changed function, from the command line.

let gateway: TestGateway;
let file: string;
before(async () => {
  gateway = await startTestGateway();
  const urls = { public: gateway.public, admin: gateway.admin, metrics: gateway.metrics };
  const db = await createDatabase({ urls }, 'shop', {
    sync: 'function (doc) { channel("old"); }',
  });
  await putUser(db, 'ann', { admin_channels: ['old'] });
  const docs = Array.from({ length: 60 }, (_, n) => ({ _id: `d${n}`, n }));
  await request('POST', `${db.admin}/_bulk_docs`, { json: { docs } });
  file = path.join(gateway.dataDir, 'sync.js');
  await writeFile(
    file,
    'function (doc) {\n  if (doc.n == 7) doc.no.thing();\n  channel("new");\n}',
  );
});
after(() => gateway[Symbol.asyncDispose]());

const resync = (...args: string[]) => runCommand(['resync', ...args, '--admin', gateway.admin]);

async function succeeds(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await resync(...args);
  assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
  return stdout;
}

test('plan, start, status and undo, watched and not', async () => {
  assert.match(await succeeds('status', 'shop'), /^no resync has run\n0 documents are routed/u);
  assert.match(await succeeds('status', 'shop', '--plan'), /^no plan has run\n$/u);
  const plan = await resync('plan', 'shop', '--function', file, '--watch');
  assert.equal(plan.code, 0, plan.stderr);
  assert.match(plan.stderr, /^\[#{30}\] {2}100 % {2}60 of 60 documents$/mu);
  assert.match(plan.stdout, /^59 would be changed; on 1 the function breaks$/mu);
  assert.match(plan.stdout, /^d7 +.*line 2/mu);
  assert.match(plan.stdout, /^new +_default\._default +59 +0$/mu);
  assert.match(plan.stdout, /^ann +0 +59$/mu);

  await succeeds('start', 'shop', '--online', '--function', file, '--watch');
  const status = JSON.parse(await succeeds('status', 'shop', '--json')) as object;
  assert.partialDeepStrictEqual(status, {
    status: 'completed',
    online: true,
    docs_changed: 59,
    docs_errored: 1,
  });
  assert.match(await succeeds('status', 'shop'), /is completed, with the database online\n/u);
  const undone = JSON.parse(await succeeds('undo', 'shop', '--watch', '--json')) as object;
  assert.partialDeepStrictEqual(undone, { status: 'completed', docs_changed: 59 });
  const collection = ['--collection', '_default._default'];
  await succeeds('plan', 'shop', ...collection, '--watch');
  const kept = JSON.parse(await succeeds('status', 'shop', '--plan', '--json')) as object;
  assert.partialDeepStrictEqual(kept, { status: 'completed', docs_changed: 0 });
});

test('what the gateway refuses, what does not complete and what is no command line', async () => {
  const online = await resync('start', 'shop');
  assert.equal(online.code, 1);
  assert.match(online.stderr, /the database is online since .* \(status 503\)/u);
  const stop = await resync('stop', 'shop');
  assert.equal(stop.code, 1);
  assert.match(stop.stderr, /nothing to stop/u);
  assert.equal((await resync('stop', 'shop', '--plan')).code, 1);
  assert.equal((await resync('undo', 'none')).code, 1);
  const bad = path.join(gateway.dataDir, 'bad.js');
  await writeFile(bad, 'function (doc) {\n  channel(;\n}');
  const broken = await resync('plan', 'shop', '--function', bad);
  assert.equal(broken.code, 1);
  assert.match(broken.stderr, /line 2/u);
  assert.equal((await resync('plan', 'shop', '--function', '/no/such/file')).code, 2);
  assert.equal((await resync('start', 'shop', '--collection', 'orders')).code, 2);
  const two = ['--collection', 'a.b', '--collection', 'a.c'];
  assert.equal((await resync('start', 'shop', '--function', file, ...two)).code, 2);
  assert.equal((await resync('begin', 'shop')).code, 2);

  // A function that breaks on too many: the run ends with an error.
  const admin = `${gateway.admin}/shop`;
  const docs = Array.from({ length: 100 }, (_, n) => ({ _id: `more${n}` }));
  await request('POST', `${admin}/_bulk_docs`, { json: { docs } });
  await writeFile(bad, 'function (doc) { doc.no.thing(); }');
  const ended = await resync('start', 'shop', '--online', '--function', bad, '--watch');
  assert.equal(ended.code, 1);
  assert.match(ended.stderr, /the resync has ended as error: the sync function breaks on/u);
});

test('help tells what there is', async () => {
  const { code, stdout } = await runCommand(['resync', '--help']);
  assert.equal(code, 0);
  for (const word of ['plan', 'start', 'status', 'stop', 'undo', 'Exit codes'])
    assert.ok(stdout.includes(word), word);
});
