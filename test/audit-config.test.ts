import assert from 'node:assert/strict';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { parseStartup } from '../src/config/startup-config.ts';
import { auditLines, AuditedGateway } from './helpers/audited-gateway.ts';
import { startTestGateway } from './helpers/gateway.ts';
import { request } from './helpers/http.ts';
import type { GatewayProcess } from './helpers/run-gateway.ts';
import { runGateway } from './helpers/run-gateway.ts';
import { temporaryFolder } from './helpers/temporary-folder.ts';
import { until } from './helpers/until.ts';

// What the audit log is configured to tell, of whom, and where that is changed.

let at: AuditedGateway;

before(async () => {
  at = await AuditedGateway.start();
});
after(async () => at?.[Symbol.asyncDispose]());

/** What the work tells beside its requests. */
async function idsOf(work: () => Promise<unknown>): Promise<readonly number[]> {
  const lines = await at.during(work);
  return lines.flatMap(({ id, http_path: where }) => (where === undefined ? [id] : []));
}

type Events = Readonly<Record<string, unknown>>;

async function shown(query = ''): Promise<{ readonly enabled: boolean; readonly events: Events }> {
  const { json } = await at.admin(`GET /live/_config/audit${query}`);
  return json as { enabled: boolean; events: Events };
}

const change = (method: 'PUT' | 'POST', json: unknown) =>
  at.admin(`${method} /live/_config/audit`, json);

test('nothing is told of disabled users and roles, but how often that was', async () => {
  await at.createDatabase('quiet', {
    disabled_users: [{ domain: 'sgw', name: 'ann' }],
    disabled_roles: [{ domain: 'sgw', name: 'machines' }],
  });
  const robot = { password: 'letmein', admin_channels: ['a'], admin_roles: ['machines'] };
  await at.admin('PUT /quiet/_role/machines', {});
  await at.admin('PUT /quiet/_user/robot', robot);
  await at.admin('PUT /quiet/_user/loud', { password: 'letmein', admin_channels: ['a'] });
  const figures = async (): Promise<Readonly<Record<string, number>>> => {
    const { json } = await request('GET', `${at.gateway.metrics}/_expvar`);
    type Tree = { syncgateway: { global: { audit: Readonly<Record<string, number>> } } };
    return (json as unknown as Tree).syncgateway.global.audit;
  };
  const earlier = await figures();
  const lines = await at.during(async () => {
    for (const user of ['ann', 'robot', 'loud']) {
      const as = `${user}:letmein`;
      await at.send('public', `PUT /quiet/${user}`, { as, json: { channels: ['a'] } });
    }
    await at.send('public', 'GET /quiet/x', { as: 'ann:wrong' });
  });
  assert.deepEqual(
    lines.map((line) => [line.id, line.real_userid?.user]),
    [
      [53280, 'loud'],
      [55000, 'loud'],
      [53270, 'loud'],
      // Nobody knows who that was.
      [53281, undefined],
      [53270, undefined],
    ],
  );
  const later = await figures();
  const rise = (name: string): number => later[name]! - earlier[name]!;
  assert.equal(rise('num_audits_filtered_by_user'), 3);
  assert.equal(rise('num_audits_filtered_by_role'), 3);
  assert.ok(rise('num_audits_logged') >= lines.length);
  assert.equal(later['num_audits_dropped'], 0);
});

test('what is told changes while the database serves', async () => {
  await at.admin('PUT /live/', {});
  assert.equal((await shown()).enabled, false);
  const write = () => at.admin('POST /live/', { n: 1 });
  const list = () => at.admin('GET /live/_user/');
  assert.deepEqual(await idsOf(write), []);
  const on = { enabled: true, events: { 55000: true } };
  assert.deepEqual(await idsOf(() => change('PUT', on)), [53248, 53250]);
  assert.deepEqual(await idsOf(write), [55000]);
  assert.deepEqual(await idsOf(list), [54104]);
  await change('POST', { events: { 54104: { enabled: false }, 54003: true } });
  assert.deepEqual(await idsOf(list), []);
  assert.deepEqual(await idsOf(write), [55000]);
  const { events } = await shown();
  assert.deepEqual([events['55000'], events['54104'], events['54003']], [true, false, true]);
  await change('PUT', { enabled: true });
  assert.deepEqual(await idsOf(list), [54104]);
  assert.deepEqual(await idsOf(write), []);
  assert.deepEqual(await idsOf(() => change('POST', { enabled: false })), [53249, 53250]);
  assert.deepEqual(await idsOf(list), []);
  const inConfig = { logging: { audit: { enabled: true, enabled_events: [55000] } } };
  const told = await idsOf(() => at.admin('POST /live/_config', inConfig));
  assert.deepEqual(told, [53248, 53250]);
  assert.deepEqual(await idsOf(write), [55000]);
});

test('events are shown in words, and what is shown can be put', async () => {
  await change('PUT', { enabled: true, disabled_users: [{ domain: 'cbs', name: 'x' }] });
  const verbose = await shown('?verbose=true');
  const users = { name: 'Read all users', description: 'List of all users was viewed' };
  assert.deepEqual(verbose.events['54104'], { ...users, enabled: true, filterable: true });
  assert.deepEqual(verbose.events['53250'], {
    name: 'Auditing configuration changed',
    description: 'Audit logging configuration was changed',
    enabled: true,
    filterable: false,
  });
  assert.equal((await shown('?filterable=true')).events['53250'], undefined);
  const before = await shown();
  await change('PUT', verbose);
  assert.deepEqual(await shown(), before);
  await change('PUT', before);
  assert.deepEqual(await shown(), before);
});

test('a wrong change names what is wrong, and changes nothing', async () => {
  const before = await shown();
  for (const [json, reason] of [
    [{ events: { 99999: true, 12: false } }, /12, 99999: no such audit event/],
    [{ events: { 53248: false } }, /53248: cannot be switched off/],
    [{ events: { create: true } }, /create: no such audit event/],
    [{ events: { 55000: 'yes' } }, /events\.55000/],
    [{ disabled_users: [{ domain: 'nosuch', name: 'x' }] }, /disabled_users\.0\.domain/],
    [{ disabled_users: ['ann'] }, /disabled_users/],
    [{ enabeld: true }, /enabeld/],
  ] as const)
    for (const method of ['PUT', 'POST']) {
      const answer = await at.send('admin', `${method} /live/_config/audit`, { json });
      assert.equal(answer.status, 400, answer.text);
      assert.match(answer.text, reason);
    }
  const audit = { enabled_events: [1, 55000, 2], disabled_roles: [{ name: 'x' }] };
  const refused = await at.send('admin', 'POST /live/_config', { json: { logging: { audit } } });
  assert.equal(refused.status, 400);
  assert.match(refused.text, /logging\.audit\.enabled_events: 1, 2: no such audit event/);
  assert.match(refused.text, /logging\.audit\.disabled_roles: must be a list/);
  assert.deepEqual(await shown(), before);
});

interface Node {
  readonly log: string;
  readonly node: GatewayProcess;
}

/** A process with an audit log of its own, on the buckets that all share. */
async function startNode(place: string, name: string): Promise<Node> {
  const own = path.join(place, name);
  await mkdir(own, { recursive: true });
  const log = path.join(own, 'who.log');
  const config = path.join(own, 'config.json');
  const audit = { enabled: true, audit_log_file_path: log };
  await writeFile(config, JSON.stringify({ logging: { audit } }));
  const dataDir = path.join(place, 'data');
  return { log, node: await runGateway({ dataDir, flags: ['--config', config] }) };
}

test('nodes of one bucket tell each their own, and go on after kill -9', async () => {
  await using place = await temporaryFolder();
  const [a, b] = [await startNode(place.path, 'a'), await startNode(place.path, 'b')];
  await using nodeB = b.node;
  await using nodeA = a.node;
  await request('PUT', `${nodeA.urls.admin}/shared/`, { json: {} });
  const json = { enabled: true, events: { 55000: true } };
  await request('PUT', `${nodeA.urls.admin}/shared/_config/audit`, { json });
  await until('the other node to follow', async () =>
    (await auditLines(b.log)).find(({ id, db }) => id === 53248 && db === 'shared'),
  );
  await request('PUT', `${nodeB.urls.admin}/shared/viaB`, { json: {} });
  const told = await until('its line', async () =>
    (await auditLines(b.log)).find(({ id }) => id === 55000),
  );
  assert.equal(told.doc_id, 'viaB');
  assert.ok(!(await auditLines(a.log)).some(({ id }) => id === 55000));
  await nodeA.stop('SIGKILL');
  const earlier = (await auditLines(a.log)).length;
  await using again = (await startNode(place.path, 'a')).node;
  await request('PUT', `${again.urls.admin}/shared/viaA`, { json: {} });
  const since = async () => (await auditLines(a.log)).slice(earlier);
  await until('the line after the restart', async () =>
    (await since()).find(({ doc_id: id }) => id === 'viaA'),
  );
  const ids = (await since()).map(({ id }) => id);
  assert.deepEqual(ids.slice(0, 2), [53248, 53248]);
  assert.equal(ids.filter((id) => id === 53260).length, 1);
});

test('logs on a full disk stop neither requests nor the end of the process', async () => {
  await using place = await temporaryFolder();
  const full = path.join(place.path, 'full.log');
  await symlink('/dev/full', full);
  const audit = { enabled: true, audit_log_file_path: full };
  for (const [name, logging] of [
    ['audit', { audit }],
    ['console', { console: { file_output: '/dev/full' } }],
  ] as const) {
    const config = path.join(place.path, `${name}.json`);
    await writeFile(config, JSON.stringify({ logging }));
    const dataDir = path.join(place.path, name);
    await using node = await runGateway({ dataDir, flags: ['--config', config] });
    const { status } = await request('PUT', `${node.urls.admin}/db/`, { json: {} });
    assert.equal(status, 201);
    const trouble = /ENOSPC.*the audit log is in trouble/;
    if (name === 'audit')
      await until('the trouble in the log', () => trouble.test(node.log()) || undefined);
    assert.equal(await node.stop(), 0);
  }
});

test('a wrong audit log is told at the start', async () => {
  const parse = (audit: object) => parseStartup(JSON.stringify({ logging: { audit } }), {});
  assert.throws(() => parse({ enabled: true }), /audit_log_file_path: must be set/);
  assert.throws(
    () => parse({ enabled_events: [53270, 7, 8] }),
    /logging\.audit\.enabled_events: 7, 8: no such audit event/,
  );
  assert.throws(() => parse({ rotation: { max_size: 0 } }), /max_size/);
  assert.throws(() => parse({ enabled_events: { 53270: true } }), /enabled_events/);
  const missing = { enabled: true, audit_log_file_path: '/nosuch/folder' };
  await assert.rejects(
    startTestGateway({ logging: { audit: missing } }),
    /logging\.audit\.audit_log_file_path: ENOENT/,
  );
});

test('of what has no effect a warning tells', () => {
  const ids = [53270, 54400, 55000];
  const audit = { enabled: true, audit_log_file_path: '/tmp', enabled_events: ids };
  const { warnings } = parseStartup(JSON.stringify({ logging: { audit } }), {});
  assert.match(warnings.join('\n'), /nothing tells these yet: 54400/);
  assert.match(warnings.join('\n'), /chosen by each database: 54400, 55000/);
});
