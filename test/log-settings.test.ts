import assert from 'node:assert/strict';
import { test } from 'node:test';
import { request } from './helpers/http.ts';
import { runGateway } from './helpers/run-gateway.ts';
import { temporaryFolder } from './helpers/temporary-folder.ts';
import { until } from './helpers/until.ts';

test('what is logged changes while the gateway runs', async () => {
  await using folder = await temporaryFolder();
  await using gateway = await runGateway({ dataDir: folder.path });
  const { admin } = gateway.urls;
  let marks = 0;
  const isLogged = async (): Promise<boolean> => {
    const mark = `mark${marks++}`;
    await request('GET', `${admin}/demo/${mark}`);
    // A line that is always written comes after it: then the other one is there, or never will be.
    const fence = `fence${marks++}`;
    await request('PUT', `${admin}/${fence}/`, { json: {} });
    await until('the fence', () => (gateway.log().includes(fence) ? true : undefined));
    return gateway.log().includes(mark);
  };
  assert.equal(await isLogged(), false);
  await request('POST', `${admin}/_logging`, { json: { HTTP: true } });
  assert.equal(await isLogged(), true);
  await request('PUT', `${admin}/_config`, {
    json: { logging: { console: { log_level: 'warn' } } },
  });
  assert.equal(await isLogged(), false);
  const { json } = await request('GET', `${admin}/_config?include_runtime=true`);
  const { logging } = json as { logging: { console: { log_level: string; log_keys: string[] } } };
  assert.equal(logging.console.log_level, 'warn');
  assert.ok(logging.console.log_keys.includes('HTTP'));
  const keys = await request('PUT', `${admin}/_logging?logLevel=info`, { json: { HTTP: false } });
  assert.equal(keys.status, 200);
  assert.deepEqual((await request('GET', `${admin}/_logging`)).json, {});
  assert.equal(await isLogged(), false);
});
