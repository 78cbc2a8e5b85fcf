import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createDatabase } from './helpers/database.ts';
import type { TestDatabase } from './helpers/database.ts';
import { startTestGateway } from './helpers/gateway.ts';
import type { TestGateway } from './helpers/gateway.ts';
import { HookReceiver } from './helpers/hook-receiver.ts';
import type { Answer, RequestOptions } from './helpers/http.ts';
import { request } from './helpers/http.ts';
import { until } from './helpers/until.ts';

/** Webhooks as an administrator and a receiver know them. */

let gateway: TestGateway;
let server: HookReceiver;
let hook: HookReceiver;
let count = 0;

before(async () => {
  server = await HookReceiver.start();
  gateway = await startTestGateway({ events: { webhooks: [{ url: server.url, secret: 's' }] } });
});
after(async () => {
  await gateway?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
});

beforeEach(async (t) => {
  hook = await HookReceiver.start();
  (t as { after: (done: () => Promise<void>) => void }).after(() => hook[Symbol.asyncDispose]());
});

interface Handlers {
  readonly mode?: string;
  readonly max_processes?: number;
  readonly wait_for_process?: string;
  readonly document_changed?: readonly object[];
  readonly db_state_changed?: readonly object[];
}

/** A database of its own; by default each change goes to `hook`. */
async function database(
  handlers: Handlers = { document_changed: [webhook()] },
  config: object = {},
): Promise<TestDatabase & { readonly name: string }> {
  const name = `hooked${count++}`;
  const { public: clients, admin, metrics } = gateway;
  const urls = { public: clients, admin, metrics };
  const created = await createDatabase({ urls }, name, { event_handlers: handlers, ...config });
  return { ...created, name };
}

const webhook = (options: object = {}): object => ({
  handler: 'webhook',
  url: hook.url,
  ...options,
});

async function ok(method: string, url: string, options?: RequestOptions): Promise<Answer> {
  const answer = await request(method, url, options);
  assert.ok(answer.status < 300, `${method} ${url}: ${answer.status} ${answer.text}`);
  return answer;
}

async function put(db: TestDatabase, id: string, json: object): Promise<string> {
  return ((await ok('PUT', `${db.admin}/${id}`, { json })).json as { rev: string }).rev;
}

interface Status {
  readonly mode: string;
  readonly last_sequence: number;
  readonly document_changed: readonly {
    readonly id: string;
    readonly url: string;
    readonly position?: number;
    readonly lag?: number;
    readonly dead_letters: number;
    readonly delivered: number;
    readonly receiver_down: boolean;
    readonly last_error?: { readonly reason: string };
  }[];
  readonly db_state_changed: readonly { readonly dead_letters: number }[];
}

const status = async (db: TestDatabase): Promise<Status> =>
  (await ok('GET', `${db.admin}/_events`)).json as unknown as Status;

interface Letter {
  readonly id: string;
  readonly event: string;
  readonly doc?: string;
  readonly attempts: number;
  readonly reason: string;
}

async function deadLetters(db: TestDatabase): Promise<readonly Letter[]> {
  const { json } = await ok('GET', `${db.admin}/_events/dead_letters`);
  return (json as unknown as { dead_letters: Letter[] }).dead_letters;
}

test('a changed document is told as it is, with its revision and its attachments', async () => {
  const db = await database();
  const rev = await put(db, 'a', {
    text: 'ü',
    number: 1,
    _attachments: { 'f.txt': { data: 'aGk=', content_type: 'text/plain' } },
  });
  await hook.until(1);
  const [{ headers, json }] = hook.accepted as [HookReceiver['accepted'][number]];
  assert.equal(headers['content-type'], 'application/json');
  assert.equal(headers['x-tidegate-event'], 'document_changed');
  assert.equal(headers['x-tidegate-keyspace'], `${db.name}._default._default`);
  assert.match(String(headers['x-tidegate-delivery']), /^[0-9a-f]{32}$/);
  assert.ok(Number(headers['x-tidegate-timestamp']) > 1_600_000_000);
  assert.equal(headers['x-tidegate-signature'], undefined);
  const digest = 'sha1-witfkXg0JglCjW9RssWvTAveakI=';
  assert.deepEqual(json, {
    _id: 'a',
    _rev: rev,
    text: 'ü',
    number: 1,
    _attachments: {
      'f.txt': { content_type: 'text/plain', digest, length: 2, revpos: 1, stub: true, ver: 2 },
    },
  });
  await ok('DELETE', `${db.admin}/a?rev=${rev}`);
  await hook.until(2);
  const gone = hook.accepted[1]!.json;
  assert.deepEqual([gone['_id'], gone['_deleted']], ['a', true]);
});

test('users, roles and local documents are no events', async () => {
  const db = await database();
  await ok('PUT', `${db.admin}/_user/ann`, { json: { password: 'letmein' } });
  await ok('PUT', `${db.admin}/_role/r`, { json: {} });
  await ok('PUT', `${db.admin}/_local/x`, { json: {} });
  await put(db, 'last', {});
  await hook.until(1);
  assert.equal(hook.accepted[0]!.json['_id'], 'last');
});

test('a signed event has the HMAC of its body, and nobody is shown the secret', async () => {
  const db = await database({ document_changed: [webhook({ secret: 'the key' })] });
  await put(db, 'a', { b: 1 });
  await hook.until(1);
  const [{ headers, body }] = hook.accepted as [HookReceiver['accepted'][number]];
  const expected = createHmac('sha256', 'the key').update(body).digest('hex');
  assert.equal(headers['x-tidegate-signature'], `sha256=${expected}`);
  const config = await ok('GET', `${db.admin}/_config?include_runtime=true`);
  assert.doesNotMatch(config.text, /the key/);
  assert.match(config.text, /"secret":"xxxxx"/);
});

test('a filter chooses, and one that throws sends nothing', async () => {
  const filter = 'function (doc) { if (doc.bad) throw new Error("x"); return doc.hook; }';
  const db = await database({ document_changed: [webhook({ filter })] });
  await put(db, 'no', { hook: false });
  await put(db, 'bad', { bad: true });
  await put(db, 'yes', { hook: true });
  await hook.until(1);
  await until(
    'all told',
    async () => (await status(db)).document_changed[0]?.lag === 0 || undefined,
  );
  assert.deepEqual(
    hook.accepted.map(({ json }) => json['_id']),
    ['yes'],
  );
});

test('each revision is told, in order, however slow the receiver is', async () => {
  hook.answer = async () => {
    await sleep(20);
    return 200;
  };
  const db = await database();
  const revs: string[] = [];
  for (let n = 0; n < 10; n += 1)
    revs.push(await put(db, 'a', { n, ...(n === 0 ? {} : { _rev: revs.at(-1) }) }));
  await hook.until(10);
  assert.deepEqual(
    hook.documents,
    revs.map((rev) => `a ${rev}`),
  );
});

test('what a losing branch brings is told, unless winners alone are wanted', async () => {
  await using winners = await HookReceiver.start();
  const options = { winning_rev_only: true };
  const db = await database(
    { document_changed: [webhook(), webhook({ url: winners.url, options })] },
    { allow_conflicts: true },
  );
  const push = async (rev: string): Promise<unknown> => {
    const [start, id] = rev.split('-');
    const _revisions = { start: Number(start), ids: [id] };
    return ok('PUT', `${db.admin}/a?new_edits=false`, {
      json: { _id: 'a', _rev: rev, _revisions },
    });
  };
  await push('1-b');
  await hook.until(1);
  await push('1-a');
  await hook.until(2);
  await push('1-c');
  await hook.until(3);
  await winners.until(2);
  assert.deepEqual(hook.documents, ['a 1-b', 'a 1-a', 'a 1-c']);
  assert.deepEqual(winners.documents, ['a 1-b', 'a 1-c']);
});

test('what is refused becomes a dead letter, later changes go on, and it can be sent again', async () => {
  let isOpen = false;
  hook.answer = ({ json }) => (json['n'] === 1 && !isOpen ? 422 : 200);
  const db = await database({ document_changed: [webhook({ id: 'h', max_attempts: 2 })] });
  const _rev = await put(db, 'a', { n: 1 });
  await put(db, 'a', { n: 2, _rev });
  await hook.until(1);
  const [letter, ...others] = await deadLetters(db);
  assert.ok(letter);
  assert.equal(others.length, 0);
  assert.deepEqual(
    [letter.event, letter.doc, letter.attempts, letter.reason],
    ['document_changed', 'a', 2, 'the receiver answered 422'],
  );
  const at = `${db.admin}/_events/dead_letters/${letter.id}`;
  assert.match((await ok('GET', at)).text, /"body":\{"_id":"a",.*"n":1\}/);
  const refused = await request('POST', `${at}/resend`);
  assert.equal(refused.status, 503);
  assert.match(refused.text, /answered 422/);
  isOpen = true;
  await ok('POST', `${at}/resend`);
  assert.deepEqual(hook.documents.at(-1), `a ${_rev}`);
  assert.deepEqual(await deadLetters(db), []);
  for (const [method, path] of [
    ['GET', ''],
    ['DELETE', ''],
    ['POST', '/resend'],
  ] as const)
    assert.equal((await request(method, `${at}${path}`)).status, 404);
});

test('a dead letter may be dropped', async () => {
  hook.answer = () => 400;
  const db = await database({ document_changed: [webhook({ max_attempts: 1 })] });
  await put(db, 'a', {});
  const letter = await until('a dead letter', async () => (await deadLetters(db))[0]);
  assert.equal((await status(db)).document_changed[0]?.dead_letters, 1);
  await ok('DELETE', `${db.admin}/_events/dead_letters/${letter.id}`);
  assert.deepEqual(await deadLetters(db), []);
});

test('a receiver that is away loses nothing', async () => {
  await hook.close();
  const db = await database();
  for (let n = 0; n < 20; n += 1) await put(db, `d${n}`, {});
  const down = await until('it is seen', async () => {
    const [handler] = (await status(db)).document_changed;
    return handler?.receiver_down === true ? handler : undefined;
  });
  assert.match(down.last_error?.reason ?? '', /ECONNREFUSED/);
  await hook.reopen();
  await hook.until(20);
  assert.deepEqual(await deadLetters(db), []);
});

test('a handler is told again of what changed after a sequence', async () => {
  const db = await database();
  for (const id of ['a', 'b', 'c']) await put(db, id, {});
  await hook.until(3);
  const {
    last_sequence: end,
    document_changed: [handler],
  } = await status(db);
  const from = end - 2;
  const answer = await ok('POST', `${db.admin}/_events/replay?from=${from}`);
  assert.deepEqual(answer.json, { handler: handler?.id, from });
  await hook.until(5);
  const ids = hook.accepted.map(({ json }) => String(json['_id']));
  assert.deepEqual(ids.toSorted(), ['a', 'b', 'b', 'c', 'c']);
  const deliveries = new Set(hook.accepted.map(({ headers }) => headers['x-tidegate-delivery']));
  assert.equal(deliveries.size, 3, 'the same event has the same id');
});

test('a replay of nothing that there is says what is wrong', async () => {
  const db = await database();
  for (const [query, expected, said] of [
    ['', 400, /from: a sequence must be given/],
    ['?from=x', 400, /whole number/],
    ['?from=1000000', 400, /the history ends at/],
    ['?from=0&handler=none', 404, /no handler none/],
  ] as const) {
    const answer = await request('POST', `${db.admin}/_events/replay${query}`);
    assert.equal(answer.status, expected, query);
    assert.match(answer.text, said);
  }
});

test('what changes while a handler is reconfigured, or the database offline, is told', async () => {
  const db = await database({ document_changed: [webhook({ id: 'h' })] });
  await put(db, 'a', {});
  await hook.until(1);
  await using other = await HookReceiver.start();
  const moved = { document_changed: [webhook({ id: 'h', url: other.url })] };
  const reconfigured = ok('POST', `${db.admin}/_config`, { json: { event_handlers: moved } });
  await put(db, 'b', {});
  await reconfigured;
  await put(db, 'c', {});
  await until('all came', () => hook.accepted.length + other.accepted.length >= 3 || undefined);
  await ok('POST', `${db.admin}/_offline`);
  assert.equal((await request('GET', `${db.admin}/_events`)).status, 503);
  await ok('POST', `${db.admin}/_online`);
  await put(db, 'd', {});
  await until('the last', () => other.documents.at(-1)?.startsWith('d ') || undefined);
});

test('a database that is created anew does not go on where the old one was', async () => {
  const config = { bucket: 'anew', event_handlers: { document_changed: [webhook()] } };
  const { public: clients, admin, metrics } = gateway;
  const urls = { public: clients, admin, metrics };
  const db = await createDatabase({ urls }, 'anew', config);
  await put(db, 'a', {});
  await hook.until(1);
  await ok('DELETE', `${db.admin}/`);
  const other = await createDatabase({ urls }, 'other', { bucket: 'anew' });
  await put(other, 'b', {});
  await ok('DELETE', `${other.admin}/`);
  await createDatabase({ urls }, 'anew', config);
  await put(db, 'c', {});
  await hook.until(2);
  assert.deepEqual(
    hook.accepted.map(({ json }) => json['_id']),
    ['a', 'c'],
  );
});

test('with best_effort there is one attempt, and what finds no room in time is dropped', async () => {
  let open: (() => void) | undefined;
  hook.answer = () => (response) => {
    open = () => response.end();
  };
  const db = await database({
    mode: 'best_effort',
    max_processes: 1,
    wait_for_process: '1',
    document_changed: [webhook()],
  });
  await put(db, 'a', {});
  await until('one is on its way', () => open);
  await put(db, 'b', {});
  await until('it is dropped', async () => {
    const { text } = await ok('GET', `${gateway.metrics}/metrics`);
    const figure = `sgw_database_webhook_dropped_count{database="${db.name}"} 1`;
    return text.includes(figure) || undefined;
  });
  open?.();
  hook.answer = () => 500;
  await until('there is room', async () => {
    const [handler] = (await status(db)).document_changed;
    return handler?.delivered === 1 || undefined;
  });
  await put(db, 'c', {});
  await until('it was asked', () => hook.asked === 2 || undefined);
  assert.equal((await status(db)).mode, 'best_effort');
  assert.deepEqual(await deadLetters(db), []);
});

test('each state of a database is told, in order, from its loading on', async () => {
  const db = await database({
    db_state_changed: [webhook({ filter: 'function (e) { return e.state; }' })],
  });
  await ok('POST', `${db.admin}/_offline`);
  await ok('POST', `${db.admin}/_online`);
  await hook.until(3);
  assert.deepEqual(
    hook.accepted.map(({ json }) => [json['dbname'], json['state']]),
    [
      [db.name, 'online'],
      [db.name, 'offline'],
      [db.name, 'online'],
    ],
  );
  const [{ json }] = hook.accepted as [HookReceiver['accepted'][number]];
  assert.deepEqual(Object.keys(json).toSorted(), [
    'admininterface',
    'dbname',
    'localtime',
    'reason',
    'state',
  ]);
});

test('a state that is refused is a dead letter', async () => {
  hook.answer = () => 404;
  const db = await database({ db_state_changed: [webhook()] });
  const letter = await until('a dead letter', async () => (await deadLetters(db))[0]);
  assert.equal(letter.event, 'db_state_changed');
  hook.answer = () => 200;
  await ok('POST', `${db.admin}/_events/dead_letters/${letter.id}/resend`);
  assert.equal(hook.accepted[0]!.json['state'], 'online');
});

test('the receivers of the server are told of every database', async () => {
  const db = await database({});
  await ok('POST', `${db.admin}/_offline`);
  await ok('POST', `${db.admin}/_config`, { json: { revs_limit: 20 } });
  const told = await until('three events', () => {
    const own = server.accepted.filter(({ json }) => json['dbname'] === db.name);
    return own.length >= 3 ? own : undefined;
  });
  assert.deepEqual(
    told.map(({ json, headers }) => [json['event'], headers['x-tidegate-event']]),
    ['db_online', 'db_offline', 'config_changed'].map((name) => [name, name]),
  );
  assert.ok(told.every(({ headers }) => headers['x-tidegate-signature']));
});

test('wrong handlers are refused by name, and change nothing', async () => {
  const db = await database();
  for (const [handlers, said] of [
    [{ max_processes: 0 }, /max_processes: must be a whole number/],
    [{ wait_for_process: 'x' }, /wait_for_process: must be/],
    [{ mode: 'sometimes' }, /mode: must be one of/],
    [{ document_changed: [{ url: 'http://h/' }] }, /document_changed\[0\]\.handler: must be given/],
    [{ document_changed: [{ handler: 'webhook' }] }, /document_changed\[0\]\.url: must be given/],
    [{ document_changed: [{ handler: 'webhook', url: 'ftp://h/' }] }, /\.url: must be an absolute/],
    [{ document_changed: [webhook({ filter: 'function (' })] }, /document_changed\[0\]\.filter: /],
    [{ document_changed: [webhook({ id: 'a' }), webhook({ id: 'a' })] }, /\[1\]\.id: is the id of/],
    [{ document_changed: [webhook({ tries: 3 })] }, /\[0\]\.tries: is no known property/],
    [{ db_state_changed: {} }, /db_state_changed: must be a list/],
  ] as const) {
    const json = { event_handlers: handlers };
    const answer = await request('POST', `${db.admin}/_config`, { json });
    assert.equal(answer.status, 400, JSON.stringify(handlers));
    assert.match(answer.text, said);
  }
  await put(db, 'a', {});
  await hook.until(1);
});
