import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDatabase, PASSWORD, putUser } from './helpers/database.ts';
import { startTestGateway } from './helpers/gateway.ts';
import { request } from './helpers/http.ts';
import { bringOnline, resyncEnd, startResync } from './helpers/resync.ts';

test('with new sequences for documents, users and roles get such, too', async () => {
  await using gateway = await startTestGateway();
  const db = await createDatabase({ urls: gateway }, 'db', { bucket: 'regenerate' });
  await request('PUT', `${db.admin}/_role/crew`, { json: { admin_channels: ['a'] } });
  await putUser(db, 'ann', { admin_roles: ['crew'] });
  await request('PUT', `${db.admin}/d`, { json: { channels: ['a'] } });
  const feed = async (since: number) => {
    const as = `ann:${PASSWORD}`;
    const { json } = await request('GET', `${db.public}/_changes?since=${since}`, { as });
    const { results } = json as { results: readonly { seq: number; id: string }[] };
    return results.map(({ seq, id }) => `${seq} ${id}`);
  };
  assert.deepEqual(await feed(0), ['2 _user/ann', '3 d']);
  await request('POST', `${db.admin}/_offline`);
  await startResync(db);
  assert.equal((await resyncEnd(db)).status, 'completed');
  await bringOnline(db);
  assert.deepEqual(await feed(3), []);
  await request('POST', `${db.admin}/_offline`);
  await startResync(db, '&regenerate_sequences=true');
  assert.partialDeepStrictEqual(await resyncEnd(db), { status: 'completed', docs_changed: 1 });
  await bringOnline(db);
  // The document, the role, the user.
  assert.deepEqual(await feed(3), ['4 d', '6 _user/ann']);
});
