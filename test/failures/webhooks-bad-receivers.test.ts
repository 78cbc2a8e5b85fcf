import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { TestDatabase } from '../helpers/database.ts';
import { createDatabase } from '../helpers/database.ts';
import type { TestGateway } from '../helpers/gateway.ts';
import { startTestGateway } from '../helpers/gateway.ts';
import type { HookAnswer } from '../helpers/hook-receiver.ts';
import { HookReceiver } from '../helpers/hook-receiver.ts';
import { request } from '../helpers/http.ts';
import { until } from '../helpers/until.ts';

// Receivers of events that misbehave: the database serves on, and says what is wrong.

let gateway: TestGateway;
let count = 0;

before(async () => {
  gateway = await startTestGateway();
});
after(async () => gateway?.[Symbol.asyncDispose]());

interface Letter {
  readonly reason: string;
}

/** What the only attempt of a change ends with. */
async function reasonOf(
  url: string,
  options: object = {},
): Promise<{ readonly reason: string; readonly db: TestDatabase }> {
  const { public: clients, admin, metrics } = gateway;
  const urls = { public: clients, admin, metrics };
  const handler = { handler: 'webhook', url, max_attempts: 1, max_age_secs: 1, ...options };
  const config = { event_handlers: { document_changed: [handler] } };
  const db = await createDatabase({ urls }, `bad${count++}`, config);
  const began = performance.now();
  const written = await request('PUT', `${db.admin}/a`, { json: {} });
  assert.equal(written.status, 201);
  assert.ok(performance.now() - began < 5000, 'a write does not wait for a hook');
  const letter = await until('it is given up', async () => {
    const { json } = await request('GET', `${db.admin}/_events/dead_letters`);
    return (json as unknown as { dead_letters: Letter[] }).dead_letters[0];
  });
  const read = await request('GET', `${db.admin}/a`);
  assert.equal(read.status, 200);
  return { reason: letter.reason, db };
}

async function withReceiver(answer: () => HookAnswer, options: object = {}): Promise<string> {
  await using hook = await HookReceiver.start();
  hook.answer = answer;
  const { reason, db } = await reasonOf(hook.url, options);
  await request('POST', `${db.admin}/_offline`);
  return reason;
}

test('a receiver that hangs is given up at its time limit', async () => {
  const reason = await withReceiver(() => () => undefined, { timeout: 1 });
  assert.equal(reason, 'no answer within 1000 ms');
});

test('a receiver that answers 500 is told with what it says', async () => {
  const reason = await withReceiver(
    () => (response) => void response.writeHead(500).end('out of order'),
  );
  assert.equal(reason, 'the receiver answered 500: out of order');
});

test('a receiver that closes the connection is told as such', async () => {
  const reason = await withReceiver(() => (response) => void response.destroy());
  assert.match(reason, /socket hang up|ECONNRESET/);
});

test('a redirect to another host or to a link-local address is not followed', async () => {
  await using other = await HookReceiver.start();
  for (const location of [other.url, 'http://169.254.169.254/latest/meta-data/']) {
    const reason = await withReceiver(
      () => (response) => void response.writeHead(307, { Location: location }).end(),
    );
    assert.match(reason, /^a redirect from 127\.0\.0\.1:\d+ to .* is not followed$/);
  }
  assert.equal(other.asked, 0);
});

test('a redirect on the same host is followed', async () => {
  await using hook = await HookReceiver.start();
  hook.answer = ({ path }) =>
    path === '/moved'
      ? 200
      : (response) => void response.writeHead(308, { Location: '/moved' }).end();
  const { public: clients, admin, metrics } = gateway;
  const urls = { public: clients, admin, metrics };
  const handler = { handler: 'webhook', url: hook.url };
  const config = { event_handlers: { document_changed: [handler] } };
  const db = await createDatabase({ urls }, 'moved', config);
  await request('PUT', `${db.admin}/a`, { json: {} });
  await hook.until(1);
  assert.equal(hook.accepted[0]!.json['_id'], 'a');
});

test('a link-local receiver is refused, however its address is spelt', async () => {
  for (const url of [
    'http://169.254.169.254/latest/',
    'http://2852039166/',
    'http://0xa9.0xfe.1/',
    'http://[::ffff:169.254.169.254]/',
    'http://[FE80::1]:8080/',
  ]) {
    const { status, text } = await request('PUT', `${gateway.admin}/link-local/`, {
      json: { event_handlers: { document_changed: [{ handler: 'webhook', url }] } },
    });
    assert.equal(status, 400, url);
    assert.match(text, /document_changed\[0\]\.url: names .*, a link-local address/);
  }
});

test('an answer without end counts by its head, and costs no memory', async () => {
  await using hook = await HookReceiver.start();
  let written = 0;
  hook.answer = ({ json }) => {
    if (json['_id'] !== 'a') return 200;
    return (response) => {
      const more = (): void => {
        while (!response.destroyed && response.write(CHUNK)) written += CHUNK.length;
      };
      response.on('drain', more);
      more();
    };
  };
  const { public: clients, admin, metrics } = gateway;
  const urls = { public: clients, admin, metrics };
  const handler = { handler: 'webhook', url: hook.url };
  const config = { event_handlers: { document_changed: [handler] } };
  const db = await createDatabase({ urls }, 'endless', config);
  await request('PUT', `${db.admin}/a`, { json: {} });
  await request('PUT', `${db.admin}/b`, { json: {} });
  await hook.until(1);
  await until('both are told', async () => {
    const { json } = await request('GET', `${db.admin}/_events`);
    const [only] = (json as unknown as { document_changed: { lag: number }[] }).document_changed;
    return only?.lag === 0 || undefined;
  });
  assert.ok(written < 50_000_000, `${written} bytes were taken`);
});

const CHUNK = Buffer.alloc(65_536, 'x');
