import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDatabaseConfig } from '../config/database-config.ts';
import { parseStartup } from '../config/startup-config.ts';
import type { ServedBy } from '../database/companion.ts';
import { silentLog } from '../observability/log.ts';
import { createMetrics } from '../observability/metrics.ts';
import { systemClock } from '../util/clock.ts';
import { OutgoingRequests } from '../util/outgoing-requests.ts';
import { HookReceiver } from '../../test/helpers/hook-receiver.ts';
import { GatewayEvents } from './gateway-events.ts';

const clock = systemClock;

function openEvents(startup: object): GatewayEvents & { readonly outgoing: OutgoingRequests } {
  const outgoing = new OutgoingRequests({ clock, allowedHosts: [] });
  const config = parseStartup(JSON.stringify(startup));
  const sandbox = undefined as never; // no handler has a filter
  const options = { sandbox, clock, log: silentLog, outgoing, config, node: 'n1' };
  return Object.assign(new GatewayEvents(options), { outgoing });
}

function served(handlers: object = {}): ServedBy {
  const { config } = parseDatabaseConfig({ event_handlers: handlers }, { name: 'db' });
  const observer = { database: 'db', log: silentLog, metrics: createMetrics({ clock }) };
  return { name: 'db', version: 'v1', bucket: undefined, config, observer };
}

test('a lost feed is told as such, before the database is told offline', async () => {
  await using hook = await HookReceiver.start();
  await using events = openEvents({ events: { webhooks: [{ url: hook.url }] } });
  const change = { from: 'Stopping', to: 'Offline', reason: 'lost', inTrouble: true } as const;
  events.stateChanged(served(), change);
  await hook.until(2);
  assert.deepEqual(
    hook.accepted.map(({ json }) => [json['event'], json['dbname'], json['node'], json['reason']]),
    [
      ['feed_lost', 'db', 'n1', 'lost'],
      ['db_offline', 'db', 'n1', 'lost'],
    ],
  );
});

test('a receiver gets the events that it asked for, in order, and is tried again', async () => {
  await using hook = await HookReceiver.start();
  hook.answer = () => (hook.asked === 1 ? 503 : 200);
  const webhooks = [{ url: hook.url, events: ['db_online', 'db_offline'] }];
  await using events = openEvents({ events: { webhooks } });
  const database = served();
  const online = { from: 'Starting', to: 'Online', reason: 'r', inTrouble: false } as const;
  events.stateChanged(database, online);
  events.configured(database);
  events.forgotten('db');
  await hook.until(2);
  assert.deepEqual(
    hook.accepted.map(({ json }) => json['event']),
    ['db_online', 'db_offline'],
  );
});

test('one who is in the middle of a transition is told nothing', async () => {
  await using hook = await HookReceiver.start();
  const handlers = { db_state_changed: [{ handler: 'webhook', url: hook.url }] };
  await using events = openEvents({});
  const database = served(handlers);
  for (const to of ['Stopping', 'Starting', 'Online'] as const)
    events.stateChanged(database, { from: 'Online', to, reason: 'r', inTrouble: false });
  await hook.until(1);
  assert.equal(hook.asked, 1);
  assert.equal(hook.accepted[0]!.json['state'], 'online');
});
