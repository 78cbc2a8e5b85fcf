import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ADMIN_API } from '../src/rest/admin-api.ts';
import { METRICS_API } from '../src/rest/metrics-api.ts';
import { PUBLIC_API } from '../src/rest/public-api.ts';
import { ApiDescription } from './helpers/api-description.ts';
import { createDatabase, PASSWORD, putUser } from './helpers/database.ts';
import { startTestGateway } from './helpers/gateway.ts';
import type { TestGateway } from './helpers/gateway.ts';
import { request } from './helpers/http.ts';
import type { Answer, RequestOptions } from './helpers/http.ts';
import { resyncEnd } from './helpers/resync.ts';
import { planEnd } from './helpers/resync-plan.ts';

/** The description of the API is made from the routes; here it is held against the answers. */

const APIS = { public: PUBLIC_API, admin: ADMIN_API, metrics: METRICS_API } as const;
type Port = keyof typeof APIS;
const PORTS = Object.keys(APIS) as Port[];
const ANN = `ann:${PASSWORD}`;

let gateway: TestGateway;
const described = new Map<Port, ApiDescription>();

before(async () => {
  gateway = await startTestGateway();
  for (const port of PORTS) described.set(port, await ApiDescription.of(gateway.admin, port));
  const { public: clients, admin, metrics } = gateway;
  const urls = { public: clients, admin, metrics };
  const sync = `function (doc) {
    if (doc.refuse) throw { forbidden: 'no' };
    if (doc.break) nothing();
    channel(doc.channels);
    access(doc.to, doc.gives);
  }`;
  const db = await createDatabase({ urls }, 'db', { sync });
  await putUser(db, 'ann', { admin_channels: ['a'] });
});
after(async () => gateway?.[Symbol.asyncDispose]());

const on = (port: Port): ApiDescription => described.get(port) ?? assert.fail(port);

for (const port of PORTS) {
  test(`every route of the ${port} port is described, and nothing else`, () => {
    const told = on(port)
      .operations()
      .map(({ at }) => at.replaceAll(/\{\w+\}/g, '{}'))
      .filter((at) => !at.startsWith('head '));
    const routes = APIS[port].map(
      ({ method, path }) => `${method.toLowerCase()} ${path.replaceAll(/\{\w+\}/g, '{}')}`,
    );
    assert.deepEqual(told.toSorted(), routes.toSorted());
  });

  test(`each operation of the ${port} port has words, a name of its own and answers`, () => {
    const names = new Set<string>();
    for (const { at, operation } of on(port).operations()) {
      assert.ok(!names.has(operation.operationId), `${at}: ${operation.operationId} twice`);
      names.add(operation.operationId);
      assert.ok(operation.summary.length > 10, at);
      for (const { name, description } of operation.parameters)
        assert.notEqual(description, '', `${at}: what is ${name}?`);
      const inPath = at.match(/\{\w+\}/g)?.map((name) => name.slice(1, -1)) ?? [];
      const declared = new Set(operation.parameters.map(({ name }) => name));
      assert.ok(
        inPath.every((name) => declared.has(name)),
        at,
      );
      for (const [status, { description }] of Object.entries(operation.responses))
        assert.notEqual(description, '', `${at}: ${status}`);
    }
  });

  test(`every schema of the ${port} port is one`, () => {
    assert.equal(on(port).description.openapi, '3.1.1');
    assert.ok(on(port).compileAll() > 10);
  });
}

/** Asks, and holds the answer against the description. */
async function ask(
  port: Port,
  line: string,
  options: RequestOptions & { readonly expect: number },
): Promise<Answer> {
  const [method = '', path = ''] = line.split(' ');
  const answer = await request(method, `${gateway[port]}${path}`, options);
  on(port).assertConforms({ method, path }, answer);
  assert.equal(answer.status, options.expect, `${line}: ${answer.text}`);
  return answer;
}

const JSON_ONLY = { accept: 'application/json' };

test('documents are answered as described', async () => {
  const put = await ask('admin', 'PUT /db/d1', { json: { channels: ['a'] }, expect: 201 });
  const { rev } = put.json as { rev: string };
  await ask('admin', 'PUT /db/d1', { json: {}, expect: 409 });
  await ask('admin', 'PUT /db/x', { body: '{', headers: JSON_BODY, expect: 400 });
  await ask('public', 'PUT /db/x', { json: { refuse: true }, as: ANN, expect: 403 });
  await ask('public', 'PUT /db/x', { json: { break: true }, as: ANN, expect: 500 });
  await ask('public', 'PUT /db/x', { body: 'x', headers: TEXT, as: ANN, expect: 415 });
  await ask('admin', 'POST /db/', { json: { channels: ['b'] }, expect: 200 });
  await ask('public', 'GET /db/d1', { as: ANN, expect: 200 });
  await ask('public', 'GET /db/d1', { expect: 401 });
  await ask('public', 'HEAD /db/d1', { as: ANN, expect: 200 });
  await ask('admin', 'GET /db/d1?revs=true&show_exp=true', { expect: 200 });
  await ask('admin', 'GET /db/d1?open_revs=all', { headers: JSON_ONLY, expect: 200 });
  await ask('admin', 'GET /db/d1?open_revs=all', { expect: 200 });
  await ask('admin', 'GET /db/nosuch', { expect: 404 });
  await ask('admin', 'PUT /db/d1/a.txt?rev=' + rev, { body: 'hello', headers: TEXT, expect: 201 });
  await ask('admin', 'GET /db/d1/a.txt', { expect: 200 });
  await ask('admin', 'GET /db/d1/a.txt', { headers: { range: 'bytes=1-2' }, expect: 206 });
  await ask('admin', 'GET /db/d1/a.txt', { headers: { range: 'bytes=99-' }, expect: 416 });
  await ask('admin', 'PUT /db/_local/l1', { json: { n: 1 }, expect: 201 });
  await ask('admin', 'GET /db/_local/l1', { expect: 200 });
  const docs = [{ _id: 'b1' }, { _id: 'd1' }, { _id: 'no', refuse: true }];
  await ask('admin', 'POST /db/_bulk_docs', { json: { docs }, expect: 201 });
  const wanted = { docs: [{ id: 'b1' }, { id: 'nosuch' }] };
  await ask('admin', 'POST /db/_bulk_get', { json: wanted, headers: JSON_ONLY, expect: 200 });
  await ask('admin', 'POST /db/_bulk_get', { json: wanted, expect: 200 });
  await ask('admin', 'POST /db/_revs_diff', { json: { d1: [rev, '9-abc'] }, expect: 200 });
  await ask('admin', 'PUT /db/giver', { json: { to: 'ann', gives: 'c' }, expect: 201 });
  for (const query of ['', '?include_docs=true&channels=true&access=true&update_seq=true'])
    await ask('admin', `GET /db/_all_docs${query}`, { expect: 200 });
  await ask('admin', 'POST /db/_all_docs', { json: { keys: ['d1', 'nosuch'] }, expect: 200 });
  await ask('admin', 'GET /db/_changes?include_docs=true&style=all_docs', { expect: 200 });
  await ask('public', 'GET /db/_changes?feed=continuous&timeout=1', { as: ANN, expect: 200 });
  await ask('public', 'GET /db/_changes?feed=nosuch', { as: ANN, expect: 400 });
  await ask('public', 'POST /db/_changes', { json: { since: 0 }, as: ANN, expect: 200 });
  await ask('admin', 'POST /db/_ensure_full_commit', { expect: 201 });
  await ask('public', 'GET /db/_design/x', { expect: 403 });
});

const JSON_BODY = { 'content-type': 'application/json' };
const TEXT = { 'content-type': 'text/plain' };

test('tools for one document are answered as described', async () => {
  await ask('admin', 'PUT /db/t1', { json: { channels: ['a'] }, expect: 201 });
  await ask('admin', 'GET /db/_raw/t1', { expect: 200 });
  await ask('admin', 'GET /db/_revtree/t1', { expect: 200 });
  await ask('admin', 'GET /db/_dumpchannel/a', { expect: 200 });
  await ask('admin', 'GET /db/_dumpchannel/nosuch', { expect: 404 });
  await ask('admin', 'GET /db/_channel_history/t1', { expect: 200 });
  await ask('admin', 'POST /db/_channel_history/t1/compact', { expect: 200 });
  await ask('admin', 'POST /db/_purge', { json: { t1: ['*'] }, expect: 200 });
  await ask('admin', 'PUT /db/_design/x', { json: { views: {} }, expect: 201 });
  await ask('admin', 'GET /db/_design/x', { expect: 200 });
  await ask('admin', 'DELETE /db/_design/x', { expect: 200 });
});

test('users, roles and sessions are answered as described', async () => {
  const bob = { password: PASSWORD, admin_channels: ['a'], admin_roles: ['staff'] };
  await ask('admin', 'PUT /db/_user/bob', { json: bob, expect: 201 });
  await ask('admin', 'PUT /db/_user/bob', { json: { email: 'b@example.com' }, expect: 200 });
  await ask('admin', 'POST /db/_user/', { json: { name: 'bob', ...bob }, expect: 409 });
  await ask('admin', 'GET /db/_user/bob', { expect: 200 });
  await ask('admin', 'GET /db/_user/', { expect: 200 });
  await ask('admin', 'GET /db/_user/?name_only=false&limit=1', { expect: 200 });
  await ask('admin', 'PUT /db/_role/staff', { json: { admin_channels: ['s'] }, expect: 201 });
  await ask('admin', 'GET /db/_role/staff', { expect: 200 });
  await ask('admin', 'GET /db/_role/', { expect: 200 });
  await ask('admin', 'DELETE /db/_role/staff', { expect: 200 });
  const made = await ask('admin', 'POST /db/_session', { json: { name: 'bob' }, expect: 200 });
  const { session_id: id } = made.json as { session_id: string };
  await ask('admin', `GET /db/_session/${id}`, { expect: 200 });
  await ask('admin', `DELETE /db/_session/${id}`, { expect: 200 });
  await ask('admin', 'GET /db/_session/nosuch', { expect: 404 });
  await ask('admin', 'DELETE /db/_user/bob/_session', { expect: 200 });
  const login = { name: 'ann', password: PASSWORD };
  await ask('public', 'POST /db/_session', { json: login, expect: 200 });
  await ask('public', 'POST /db/_session', { json: { ...login, password: 'x' }, expect: 401 });
  await ask('public', 'GET /db/_session', { expect: 200 });
  await ask('public', 'DELETE /db/_session', { as: ANN, expect: 404 });
  await ask('admin', 'DELETE /db/_user/bob', { expect: 200 });
});

test('a resync and its plan are answered as described', async () => {
  const db = { admin: `${gateway.admin}/routed` };
  await ask('admin', 'PUT /routed/', { json: {}, expect: 201 });
  await ask('admin', 'PUT /routed/d', { json: { channels: 'a' }, expect: 201 });
  await ask('admin', 'GET /routed/_resync?action=plan', { expect: 200 });
  const sync = 'function (doc) { channel("b"); }';
  const plan = 'POST /routed/_resync?action=plan';
  await ask('admin', plan, { json: { sync }, expect: 200 });
  assert.equal((await planEnd(db)).report?.channels.length, 2);
  await ask('admin', 'GET /routed/_resync?action=plan', { expect: 200 });
  await ask('admin', plan, { json: { sync: 'function (' }, expect: 400 });
  await ask('admin', 'POST /routed/_resync', { json: { sync }, expect: 503 });
  await ask('admin', 'POST /routed/_resync?action=undo', { expect: 409 });
  await ask('admin', 'POST /routed/_resync', { json: { online: true, sync }, expect: 200 });
  await resyncEnd(db);
  for (const query of ['', '?verbose=true'])
    await ask('admin', `GET /routed/_resync${query}`, { expect: 200 });
  await ask('admin', 'POST /routed/_resync?action=stop&plan=true', { expect: 400 });
});

test('databases and the gateway are answered as described', async () => {
  await ask('admin', 'PUT /other/', { json: { revs_limit: 30 }, expect: 201 });
  await ask('admin', 'PUT /other/', { json: {}, expect: 412 });
  await ask('admin', 'PUT /Wrong/', { json: {}, expect: 400 });
  await ask('public', 'PUT /other/', { expect: 412 });
  await ask('public', 'PUT /new/', { expect: 403 });
  for (const query of ['', '?verbose=true'])
    await ask('admin', `GET /other/${query}`, { expect: 200 });
  await ask('admin', 'GET /other/_config?include_runtime=true', { expect: 200 });
  await ask('admin', 'POST /other/_config', { json: { revs_limit: 40 }, expect: 201 });
  await ask('admin', 'PUT /other/_config/sync', {
    body: 'function(doc) {}',
    headers: JS,
    expect: 200,
  });
  await ask('admin', 'GET /other/_config/sync', { expect: 200 });
  await ask('admin', 'POST /other/_offline', { expect: 200 });
  await ask('admin', 'GET /other/d', { expect: 503 });
  for (const query of ['', '?verbose=true'])
    await ask('admin', `GET /_all_dbs${query}`, { expect: 200 });
  await ask('admin', 'GET /_status', { expect: 200 });
  await ask('admin', 'POST /other/_online', { expect: 200 });
  await ask('admin', 'GET /other/_config/audit', { expect: 200 });
  await ask('admin', 'GET /other/_index_init', { expect: 200 });
  await ask('admin', 'DELETE /other/', { expect: 200 });
  await ask('admin', 'GET /other/', { expect: 404 });
  await ask('public', 'GET /other/', { expect: 401 });
  for (const port of ['public', 'admin'] as const) await ask(port, 'GET /', { expect: 200 });
  await ask('admin', 'GET /_config?include_runtime=true', { expect: 200 });
  await ask('admin', 'GET /_config?redact=false', { expect: 400 });
  await ask('admin', 'PUT /_config', { json: {}, expect: 200 });
  await ask('admin', 'PUT /_logging', { json: { HTTP: true }, expect: 200 });
  await ask('admin', 'GET /_logging', { expect: 200 });
  await ask('admin', 'GET /_cluster_info', { expect: 200 });
  await ask('admin', 'GET /_sgcollect_info', { expect: 200 });
  await ask('admin', 'GET /_stats', { expect: 200 });
  for (const port of PORTS) await ask(port, 'GET /_ping', { expect: 200 });
  for (const port of ['admin', 'metrics'] as const)
    await ask(port, 'GET /_expvar', { expect: 200 });
  await ask('metrics', 'GET /metrics', { expect: 200 });
});

const JS = { 'content-type': 'application/javascript' };

test('the page has all that it is made of from the gateway itself', async () => {
  const page = await ask('admin', 'GET /_openapi/', { expect: 200 });
  const parts = Array.from(page.text.matchAll(/(?:src|href)="([^"]+)"/g), ([, part = '']) => part);
  assert.ok(parts.length >= 4);
  for (const part of parts) {
    const { headers, text } = await ask('admin', `GET /_openapi/${part}`, { expect: 200 });
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.match(headers.get('content-security-policy') ?? '', /^default-src 'self'/);
    assert.ok(text.length > 100, part);
  }
  assert.doesNotMatch(page.text, /https?:/);
  await ask('admin', 'GET /_openapi/index.js', { expect: 404 });
  const { status } = await request('GET', `${gateway.public}/_openapi`);
  assert.equal(status, 404);
});

test('explanations and dry runs are answered as described', async () => {
  await ask('admin', 'PUT /db/why', { json: { channels: ['a'] }, expect: 201 });
  await ask('admin', 'PUT /db/whose', { json: { to: 'role:r', gives: ['a'] }, expect: 201 });
  await ask('admin', 'GET /db/_explain?user=ann&doc=why', { expect: 200 });
  await ask('admin', 'GET /db/_explain?user=GUEST&doc=why', { expect: 200 });
  await ask('admin', 'GET /db/_explain?user=ann&channel=b', { expect: 200 });
  await ask('admin', 'GET /db/_explain', { expect: 400 });
  await ask('admin', 'GET /db/_explain?user=nosuch&doc=why', { expect: 404 });
  await ask('admin', 'GET /db/_user/ann?reasons=true', { expect: 200 });
  await ask('admin', 'PUT /db/_role/reasons', { json: { admin_channels: ['a'] }, expect: 201 });
  await ask('admin', 'GET /db/_role/reasons?reasons=true', { expect: 200 });
  const run = 'POST /db/_sync_function/dry_run';
  await ask('admin', run, { json: { doc: { channels: ['a'] }, user: 'ann' }, expect: 200 });
  await ask('admin', run, { json: { doc: { refuse: true } }, expect: 200 });
  await ask('admin', run, { json: { doc: { break: true } }, expect: 200 });
  await ask('admin', run, { json: {}, expect: 400 });
  await ask('admin', run, { json: { doc_id: 'nosuch' }, expect: 404 });
  const filter = 'function (doc) { return true; }';
  const json = { doc_id: 'why', import_filter: filter };
  await ask('admin', 'POST /db/_import_filter/dry_run', { json, expect: 200 });
  await ask('admin', 'POST /db/_compact?type=attachment&dry_run=true', { expect: 200 });
  await ask('admin', 'GET /db/_compact?type=attachment', { expect: 200 });
  await ask('admin', 'GET /db/_compact', { expect: 200 });
});
