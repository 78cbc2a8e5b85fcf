import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGatewayError } from '../util/errors.ts';
import { changesBody, changesQuery, changesRequest } from './changes-request.ts';
import type { ChangesRequest } from './changes-request.ts';
import { readQuery } from './query.ts';

const uncapped = { heartbeatMsMax: 0 };

function get(query: Readonly<Record<string, string>>, settings = uncapped): ChangesRequest {
  return changesRequest(readQuery(changesQuery, query), undefined, settings);
}

const refused = (work: () => unknown): void =>
  assert.throws(work, (cause) => isGatewayError(cause, 'badRequest'));

test('without parameters it is everything, once', () => {
  assert.deepEqual(get({}), {
    feed: 'normal',
    since: { seq: 0 },
    limit: 0,
    style: 'main_only',
    includeDocs: false,
    activeOnly: false,
    revocations: false,
    timeoutMs: 300_000,
    heartbeatMs: 0,
  });
});

test('a heartbeat takes the place of the timeout, and has limits', () => {
  assert.equal(get({ heartbeat: '30000', timeout: '5' }).timeoutMs, 0);
  assert.equal(get({ heartbeat: '30000' }).heartbeatMs, 30_000);
  assert.equal(get({ heartbeat: '1' }).heartbeatMs, 1_000);
  assert.equal(get({ heartbeat: '90000' }, { heartbeatMsMax: 60_000 }).heartbeatMs, 60_000);
  assert.equal(get({ timeout: '5000000' }).timeoutMs, 900_000);
  assert.equal(get({ timeout: '0' }).timeoutMs, 0);
});

test('a filter needs what it filters by, and there are only two', () => {
  const byChannel = 'sync_gateway/bychannel';
  assert.deepEqual(get({ filter: byChannel, channels: 'a,b c' }).channels, ['a', 'b c']);
  assert.deepEqual(get({ filter: '_doc_ids', doc_ids: '["a,b"]' }).docIds, ['a,b']);
  assert.deepEqual(get({ filter: '_doc_ids', doc_ids: 'a,b' }).docIds, ['a', 'b']);
  refused(() => get({ filter: byChannel }));
  refused(() => get({ filter: byChannel, channels: ',' }));
  refused(() => get({ filter: '_doc_ids' }));
  refused(() => get({ filter: '_doc_ids', doc_ids: '[1]' }));
  refused(() => get({ filter: '_view' }));
  refused(() => get({ filter: '_doc_ids', doc_ids: 'a', feed: 'longpoll' }));
});

test('what is no feed, style, number or sequence is refused', () => {
  refused(() => get({ feed: 'eventsource' }));
  refused(() => get({ style: 'other' }));
  refused(() => get({ limit: 'x' }));
  refused(() => get({ since: 'now' }));
  refused(() => get({ include_docs: 'maybe' }));
});

test('a body counts before the query', () => {
  const query = readQuery(changesQuery, { limit: '1', since: '5' });
  const body = changesBody.parse({ since: '7', include_docs: true });
  const request = changesRequest(query, body, uncapped);
  assert.deepEqual([request.limit, request.since, request.includeDocs], [1, { seq: 7 }, true]);
});
