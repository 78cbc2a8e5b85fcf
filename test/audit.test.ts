import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import type { AuditedWork, AuditLine } from './helpers/audited-gateway.ts';
import { AuditedGateway } from './helpers/audited-gateway.ts';
import type { Answer, RequestOptions } from './helpers/http.ts';
import { request } from './helpers/http.ts';
import { ForeignWriter } from './helpers/foreign-writer.ts';
import { SocketFeed } from './helpers/socket-feed.ts';
import { until } from './helpers/until.ts';

// What the audit log tells of what somebody does: each action is told once, with its fields.

const ANN = 'ann:letmein';
const SECRET = 'what-stands-in-a-document';

let at: AuditedGateway;

before(async () => {
  at = await AuditedGateway.start();
});
after(async () => at?.[Symbol.asyncDispose]());

type Stated = { readonly [F in keyof AuditLine]?: AuditLine[F] | undefined };

/** Each request, with the ids and the stated fields of what it tells. */
function assertTold(
  found: readonly AuditedWork[],
  expected: readonly (readonly [request: string, ...told: readonly Stated[]])[],
): void {
  assert.deepEqual(
    found.map(({ request: asked, told }) => [asked, ...told.map(({ id }) => id)]),
    expected.map(([asked, ...told]) => [asked, ...told.map(({ id }) => id)]),
  );
  for (const [index, [asked, ...stated]] of expected.entries())
    for (const [nth, fields] of stated.entries())
      for (const [name, value] of Object.entries(fields))
        assert.deepEqual(found[index]!.told[nth]![name], value, `${asked}: ${name}`);
}

test('users and roles', async () => {
  await at.createDatabase('people');
  const found = await at.requestsOf(async () => {
    await at.admin('PUT /people/_user/bob', { password: 'letmein', admin_roles: ['staff'] });
    await at.admin('PUT /people/_user/bob', { admin_channels: ['b'] });
    await at.admin('POST /people/_user/', { name: 'eve', password: 'letmein' });
    await at.admin('GET /people/_user/bob');
    await at.admin('GET /people/_user/?name_only=false&limit=7');
    await at.admin('PUT /people/_role/staff', { admin_channels: ['s'] });
    await at.admin('GET /people/_role/staff');
    await at.admin('PUT /people/_role/staff', { admin_channels: ['s', 't'] });
    await at.admin('GET /people/_role/');
    await at.admin('DELETE /people/_role/staff');
    await at.admin('DELETE /people/_user/bob');
    await at.send('admin', 'GET /people/_user/bob');
  });
  const real_userid = { domain: 'admin', user: '' };
  const created = { id: 54100, db: 'people', real_userid };
  assertTold(found, [
    ['PUT /people/_user/bob 201', { ...created, username: 'bob', roles: ['staff'] }],
    ['PUT /people/_user/bob 200', { id: 54102, username: 'bob', channels: ['b'] }],
    ['POST /people/_user/ 201', { ...created, username: 'eve' }],
    ['GET /people/_user/bob 200', { id: 54101, username: 'bob' }],
    ['GET /people/_user/ 200', { id: 54104, name_only: false, limit: 7 }],
    ['PUT /people/_role/staff 201', { id: 54110, role: 'staff', admin_channels: ['s'] }],
    ['GET /people/_role/staff 200', { id: 54111, role: 'staff' }],
    ['PUT /people/_role/staff 200', { id: 54112, role: 'staff', admin_channels: ['s', 't'] }],
    ['GET /people/_role/ 200', { id: 54114, include_deleted: false }],
    ['DELETE /people/_role/staff 200', { id: 54113, role: 'staff' }],
    ['DELETE /people/_user/bob 200', { id: 54103, username: 'bob' }],
    ['GET /people/_user/bob 404'],
  ]);
  assert.ok(!(await readFile(at.file, 'utf8')).includes('letmein'), 'passwords are not told');
});

test('logins and sessions', async () => {
  await at.createDatabase('logins');
  let session = '';
  const found = await at.requestsOf(async () => {
    await at.send('public', 'GET /logins/', { as: 'ann:wrong' });
    await at.send('public', 'GET /logins/');
    const json = { name: 'ann', password: 'letmein' };
    const { headers } = await at.send('public', 'POST /logins/_session', { json });
    const cookie = (headers.get('set-cookie') ?? '').split(';', 1)[0]!;
    session = cookie.split('=')[1]!;
    await at.send('public', 'GET /logins/', { headers: { cookie } });
    await at.send('public', 'DELETE /logins/_session', { headers: { cookie } });
    await at.send('public', 'GET /logins/', { headers: { cookie } });
    const made = await at.admin('POST /logins/_session', { name: 'ann' });
    await at.admin(`DELETE /logins/_session/${(made.json as { session_id: string }).session_id}`);
    await at.admin('DELETE /logins/_user/ann/_session');
  });
  const ann = { real_userid: { domain: 'sgw', user: 'ann' }, db: 'logins' };
  const failed = { id: 53281, real_userid: undefined };
  assertTold(found, [
    ['GET /logins/ 401', { ...failed, username: 'ann', auth_method: 'basic', db: 'logins' }],
    ['GET /logins/ 401'],
    [
      'POST /logins/_session 200',
      { id: 53280, auth_method: 'login', ...ann },
      { id: 53282, username: 'ann', ...ann },
    ],
    ['GET /logins/ 200', { id: 53280, auth_method: 'session', ...ann }, { id: 54001, ...ann }],
    ['DELETE /logins/_session 200', { id: 53280 }, { id: 53283, username: 'ann' }],
    ['GET /logins/ 401', { ...failed, auth_method: 'session' }],
    ['POST /logins/_session 200', { id: 53282, username: 'ann' }],
    ['DELETE /logins/_session/xxxxx 200', { id: 53283 }],
    ['DELETE /logins/_user/ann/_session 200', { id: 53284, username: 'ann' }],
  ]);
  const ids = found.flatMap(({ told }) => told.flatMap((line) => line['session_id'] ?? []));
  assert.deepEqual([ids[0] === ids[1], ids[2] === ids[3], new Set(ids).size], [true, true, 2]);
  const text = await readFile(at.file, 'utf8');
  assert.ok(session.length > 10 && !text.includes(session), 'who reads the log gets no session');
});

/** Writes documents as ann, over the revision before. */
class Writer {
  readonly revs: string[] = [];

  async write(line: string, options: RequestOptions): Promise<void> {
    const over = this.revs.length === 0 ? '' : `?rev=${this.revs.at(-1)!}`;
    const answer: Answer = await at.send('public', `${line}${over}`, { as: ANN, ...options });
    assert.ok(answer.status < 300, `${line}: ${answer.text}`);
    this.revs.push((answer.json as { rev: string }).rev);
  }
}

test('a document and its attachments', async () => {
  await at.createDatabase('docs');
  const json = { channels: ['a'], text: SECRET };
  const writer = new Writer();
  const { revs } = writer;
  const found = await at.requestsOf(async () => {
    await writer.write('PUT /docs/d', { json });
    await writer.write('PUT /docs/d', { json: { ...json, n: 2 } });
    await writer.write('PUT /docs/d/x', { body: SECRET });
    await writer.write('PUT /docs/d/x', { body: 'another' });
    await at.send('public', 'GET /docs/d/x', { as: ANN });
    await at.send('public', 'GET /docs/d?attachments=true', { as: ANN });
    await writer.write('DELETE /docs/d/x', {});
    await at.send('public', 'PUT /docs/d', { as: ANN, json });
    await at.admin('GET /docs/_raw/d');
    await at.admin('GET /docs/_revtree/d');
    await writer.write('DELETE /docs/d', {});
    await at.admin('POST /docs/_purge', { d: ['*'], nosuch: ['*'] });
  });
  const auth = { id: 53280 };
  const version = (nth: number) => ({ doc_id: 'd', doc_version: revs[nth]! });
  const of = { ks: 'docs._default._default', db: 'docs' };
  const ann = { ...of, real_userid: { domain: 'sgw', user: 'ann' } };
  const x = { attachment_id: 'x' };
  assertTold(found, [
    ['PUT /docs/d 201', auth, { id: 55000, ...version(0), ...ann }],
    ['PUT /docs/d 201', auth, { id: 55002, ...version(1), ...ann }],
    ['PUT /docs/d/x 201', auth, { id: 55002, ...version(2) }, { id: 55010, ...version(2), ...x }],
    ['PUT /docs/d/x 201', auth, { id: 55002, ...version(3) }, { id: 55012, ...version(3), ...x }],
    ['GET /docs/d/x 200', auth, { id: 55011, ...version(3), ...x, ...ann }],
    ['GET /docs/d 200', auth, { id: 55001, ...version(3) }, { id: 55011, ...version(3), ...x }],
    ['DELETE /docs/d/x 200', auth, { id: 55002 }, { id: 55013, ...version(4), ...x }],
    ['PUT /docs/d 409', auth],
    ['GET /docs/_raw/d 200', { id: 55004, doc_id: 'd', ...of }],
    ['GET /docs/_revtree/d 200', { id: 55004, doc_id: 'd' }],
    ['DELETE /docs/d 200', auth, { id: 55003, ...version(5), ...ann }],
    ['POST /docs/_purge 200', { id: 55003, doc_id: 'd', purged: true, ...of }],
  ]);
  assert.ok(!(await readFile(at.file, 'utf8')).includes(SECRET), 'bodies are not told');
});

test('many documents at once, and feeds', async () => {
  await at.createDatabase('many');
  const as = ANN;
  const found = await at.requestsOf(async () => {
    const docs = [{ _id: 'e' }, { _id: 'f', channels: ['a'] }, { _id: 'e' }];
    await at.send('admin', 'POST /many/_bulk_docs', { json: { docs } });
    const wanted = { docs: [{ id: 'e' }, { id: 'nosuch' }, { id: 'f' }] };
    await at.send('public', 'POST /many/_bulk_get', { as, json: wanted });
    await at.send('public', 'GET /many/_all_docs?include_docs=true', { as });
    await at.send('public', 'GET /many/_all_docs', { as });
    await at.send('public', 'GET /many/f?open_revs=all', { as });
    const options = 'since=1&include_docs=true&filter=sync_gateway/bychannel&channels=a';
    await at.send('public', `GET /many/_changes?${options}`, { as });
    await at.send('public', 'POST /many/_changes', { as, json: { feed: 'nosuch' } });
  });
  const auth = { id: 53280 };
  const f = { id: 55001, doc_id: 'f', ks: 'many._default._default' };
  const feed = { since: '1', feed_type: 'normal', include_docs: true, channels: ['a'] };
  assertTold(found, [
    ['POST /many/_bulk_docs 201', { id: 55000, doc_id: 'e' }, { id: 55000, doc_id: 'f' }],
    ['POST /many/_bulk_get 200', auth, f],
    ['GET /many/_all_docs 200', auth, f],
    ['GET /many/_all_docs 200', auth],
    ['GET /many/f 200', auth, f],
    ['GET /many/_changes 200', auth, { id: 54200, ks: f.ks, ...feed }],
    ['POST /many/_changes 400', auth],
  ]);
});

test('a feed on a WebSocket is told with who opened it', async () => {
  await at.createDatabase('sockets');
  const lines = await at.during(async () => {
    const url = `${at.gateway.public}/sockets/_changes?feed=websocket`;
    const options = { since: 0, include_docs: true };
    await using _ = await SocketFeed.open(url, { as: ANN, options });
    await until('the feed', async () =>
      (await at.lines()).find(({ db, id }) => id === 54200 && db === 'sockets'),
    );
  });
  const told = lines.filter(({ id }) => id === 54200);
  assert.equal(told.length, 1);
  assert.deepEqual(told[0]!.real_userid, { domain: 'sgw', user: 'ann' });
  assert.equal(told[0]!['feed_type'], 'websocket');
  assert.equal(told[0]!.cid, lines.find(({ id }) => id === 53280)?.cid);
});

async function resynced(db: string): Promise<void> {
  await until('the end of the resync', async () => {
    const { json } = await request('GET', `${at.gateway.admin}/${db}/_resync`);
    return (json as { status: string }).status === 'completed' ? true : undefined;
  });
}

test('databases and their tasks', async () => {
  const lines = await at.during(async () => {
    await at.createDatabase('tasks');
    await at.admin('GET /tasks/_config');
    await at.admin('POST /tasks/_config', { revs_limit: 60 });
    await at.admin('GET /tasks/_compact?type=attachment');
    await at.admin('POST /tasks/_compact?type=attachment&dry_run=true');
    await at.admin('POST /tasks/_offline');
    await at.admin('POST /tasks/_resync?action=start&regenerate_sequences=true', {});
    await resynced('tasks');
    await at.admin('POST /tasks/_online');
    await at.admin('GET /_all_dbs');
    await at.admin('GET /_cluster_info');
    await at.admin('GET /_sgcollect_info');
    await at.send('metrics', 'GET /metrics');
    await at.admin('DELETE /tasks/');
  });
  const told = lines.filter((line) => line.http_path === undefined && line.id !== 54040);
  assert.deepEqual(
    told.map(({ id }) => id),
    [
      53248, 54000, 54100, 54010, 54011, 54030, 54031, 54020, 54041, 54021, 54003, 53350, 53300,
      53303, 54002,
    ],
  );
  assert.ok(lines.some(({ id }) => id === 54040));
  const of = (id: number): AuditLine => told.find((line) => line.id === id)!;
  assert.equal(of(54000).db, 'tasks');
  assert.deepEqual(JSON.parse(of(54011).payload ?? ''), { revs_limit: 60 });
  assert.deepEqual([of(54031)['type'], of(54031)['dry_run']], ['attachment', true]);
  assert.equal(of(54041)['regenerate_sequences'], true);
  assert.ok((of(54003)['db_names'] as string[]).includes('tasks'));
  assert.equal(of(53303)['stats_format'], 'prometheus');
  assert.equal(of(54002).db, 'tasks');
});

test('secrets of a configuration are hidden', async () => {
  const url = 'http://admin:hush@127.0.0.1:9/';
  const told = await at.during(async () => {
    const event_handlers = { document_changed: [{ handler: 'webhook', url }] };
    await at.admin('PUT /hooks/', { logging: { audit: { enabled: true } }, event_handlers });
  });
  const payload = told.find(({ id }) => id === 54000)?.payload ?? '';
  assert.ok(payload.includes('127.0.0.1:9') && !payload.includes('hush'), payload);
});

test('what the gateway does by itself is told of no user', async () => {
  await at.createDatabase('alone', { disabled_users: [{ domain: 'sgw', name: 'ann' }] });
  const lines = await at.during(async () => {
    using app = new ForeignWriter(at.gateway.dataDir, 'alone');
    app.put('theirs', { channels: ['a'] });
    await until('the import', async () => {
      // Whoever reads it first brings it in.
      const { status } = await at.send('public', 'GET /alone/theirs', { as: ANN });
      return status === 200 ? true : undefined;
    });
    await at.admin('PUT /alone/short', { _exp: Math.floor(Date.now() / 1000) + 1 });
    await until('the expiry', async () =>
      (await at.lines()).find(({ id, doc_id: doc }) => id === 55003 && doc === 'short'),
    );
  });
  const own = lines.filter(({ id }) => id === 55003 || id === 55005);
  assert.deepEqual(
    own.map((line) => [line.id, line.doc_id, line.ks, line.real_userid, line.cid]),
    [
      [55005, 'theirs', 'alone._default._default', undefined, undefined],
      [55003, 'short', 'alone._default._default', undefined, undefined],
    ],
  );
});

test('a resync tells each document that it routes anew', async () => {
  await at.createDatabase('anew');
  for (const id of ['r1', 'r2', 'r3'])
    await at.admin(`PUT /anew/${id}`, { channels: id === 'r3' ? ['x'] : ['a'] });
  const lines = await at.during(async () => {
    const sync = 'function (doc) { channel("x"); }';
    await at.admin('POST /anew/_resync?action=start', { online: true, sync });
    await resynced('anew');
  });
  const configured = lines.find(({ id }) => id === 54011);
  assert.deepEqual(Object.keys(JSON.parse(configured?.payload ?? '') as object), ['sync']);
  const told = lines.filter(({ id }) => id === 55006).map((line) => [line.doc_id, line.ks]);
  const ks = 'anew._default._default';
  assert.deepEqual(
    told.toSorted((a, b) => (a[0]! < b[0]! ? -1 : 1)),
    [
      ['r1', ks],
      ['r2', ks],
    ],
  );
});
