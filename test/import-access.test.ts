import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createDatabase, PASSWORD, putUser } from './helpers/database.ts';
import type { TestDatabase } from './helpers/database.ts';
import { ForeignWriter } from './helpers/foreign-writer.ts';
import type { TestGateway } from './helpers/gateway.ts';
import { startTestGateway } from './helpers/gateway.ts';
import { request } from './helpers/http.ts';

// A read that imports a document is judged by what its reader may see after the import: the
// document itself may have granted that, or grants it no more (invariant 2).

const SYNC = `function (doc) {
  channel(doc.channels);
  if (doc.to) access(doc.to, doc.channels);
}`;

let gateway: TestGateway;
before(async () => {
  gateway = await startTestGateway();
});
after(async () => gateway?.[Symbol.asyncDispose]());

async function share(name: string): Promise<{ db: TestDatabase; app: ForeignWriter }> {
  const { public: clients, admin, metrics } = gateway;
  const urls = { public: clients, admin, metrics };
  const db = await createDatabase({ urls }, name, { sync: SYNC, import_docs: false });
  await putUser(db, 'ann', { admin_channels: [] });
  return { db, app: new ForeignWriter(gateway.dataDir, name) };
}

const WAYS = {
  'by its id': (db: TestDatabase) => request('GET', `${db.public}/d`, AS_ANN),
  'with its leaves': (db: TestDatabase) => request('GET', `${db.public}/d?open_revs=all`, AS_ANN),
  'in bulk': (db: TestDatabase) =>
    request('POST', `${db.public}/_bulk_get`, { ...AS_ANN, json: { docs: [{ id: 'd' }] } }),
};
const AS_ANN = { as: `ann:${PASSWORD}` };

for (const [way, read] of Object.entries(WAYS)) {
  test(`read ${way}, what an application takes away is not shown`, async () => {
    const { db, app } = await share(`takes-${way.replaceAll(' ', '-')}`);
    using _ = app;
    await request('PUT', `${db.admin}/d`, { json: { channels: ['x'], to: 'ann' } });
    assert.match((await read(db)).text, /"channels"/);
    app.put('d', { channels: ['x'], secret: true });
    assert.doesNotMatch((await read(db)).text, /secret/);
  });

  test(`read ${way}, what an application grants is shown`, async () => {
    const { db, app } = await share(`grants-${way.replaceAll(' ', '-')}`);
    using _ = app;
    app.put('d', { channels: ['x'], to: 'ann', gift: true });
    assert.match((await read(db)).text, /gift/);
  });
}
