import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { silentLog } from '../observability/log.ts';
import { isGatewayError } from '../util/errors.ts';
import type { Sandbox } from './sandbox.ts';
import { startSandbox } from './start-sandbox.ts';

let sandbox: Sandbox;
before(async () => {
  sandbox = await startSandbox({ log: silentLog });
});
after(async () => sandbox?.[Symbol.asyncDispose]());

async function accepts(source: string, doc: object = {}): Promise<boolean> {
  using filter = await sandbox.filterFunction(source, { timeoutMs: 500, log: silentLog });
  return await filter.accepts(JSON.stringify(doc));
}

test('a filter accepts what it answers with anything that counts as true', async () => {
  const filter = 'function (doc) { return doc.answer; }';
  for (const answer of [true, 1, 'yes', [], {}]) assert.ok(await accepts(filter, { answer }));
  for (const answer of [false, 0, '', null, undefined])
    assert.equal(await accepts(filter, { answer }), false);
});

test('a filter that answers nothing accepts nothing', async () => {
  assert.equal(await accepts('function (doc) { channel("a"); }'), false);
});

test('a filter may answer by a promise', async () => {
  assert.equal(await accepts('async function (doc) { return doc.n > 1; }', { n: 2 }), true);
  assert.equal(await accepts('async function (doc) { return doc.n > 1; }', { n: 1 }), false);
});

test('a filter that throws, rejects or never ends fails, and says that it is a filter', async () => {
  const sources = [
    'function (doc) { throw new Error("no"); }',
    'function (doc) { throw { forbidden: "no" }; }',
    'function (doc) { for (;;) ; }',
  ];
  for (const source of sources)
    await assert.rejects(
      accepts(source),
      (cause) => isGatewayError(cause, 'functionFailed') && cause.message.startsWith('filter'),
    );
});
