import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HookReceiver } from '../helpers/hook-receiver.ts';
import { createDatabase } from '../helpers/database.ts';
import { request } from '../helpers/http.ts';
import { runGateway } from '../helpers/run-gateway.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

// Of processes that share a bucket one delivers; another one goes on where it was killed.

const WRITES = 40;

test('of two gateways on a bucket one tells each change, and the other goes on for it', async () => {
  await using folder = await temporaryFolder();
  await using hook = await HookReceiver.start();
  const dataDir = folder.path;
  await using a = await runGateway({ dataDir });
  await createDatabase(a, 'db', {
    event_handlers: { document_changed: [{ handler: 'webhook', url: hook.url }] },
  });
  await using b = await runGateway({ dataDir });
  for (let n = 0; n < WRITES; n += 1) {
    const { urls } = n % 2 === 0 ? a : b;
    const { status, text } = await request('PUT', `${urls.admin}/db/d${n}`, { json: {} });
    assert.equal(status, 201, text);
  }
  await hook.until(WRITES);
  assert.equal(new Set(hook.documents).size, WRITES);
  assert.equal(hook.documents.length, WRITES, 'none is told twice');
  const delivering = await Promise.all([a, b].map(({ urls }) => isDelivering(urls.admin)));
  assert.equal(delivering.filter(Boolean).length, 1);
  const [killed, left] = delivering[0] === true ? [a, b] : [b, a];
  // Told, but perhaps not noted yet: what is told again is no loss.
  await killed.stop('SIGKILL');
  await request('PUT', `${left.urls.admin}/db/last`, { json: {} });
  await until('the other tells it', () => hook.documents.at(-1)?.startsWith('last ') || undefined, {
    withinMs: 20_000,
  });
});

async function isDelivering(admin: string): Promise<boolean> {
  const { json } = await request('GET', `${admin}/db/_events`);
  return (json as unknown as { delivering: boolean }).delivering;
}
