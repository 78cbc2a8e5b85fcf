import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '../observability/log.ts';
import { createMetrics } from '../observability/metrics.ts';
import { DrivenClock } from '../util/driven-clock.ts';
import { DatabaseStates, MOVES, REACTIONS } from './database-states.ts';
import type { DatabaseState, Reaction, StateRequest } from './database-states.ts';

/** The table as it is decided; the columns are those of `REQUESTS`. */
const REQUESTS = ['goOnline', 'goOnlineLater', 'goOffline', 'resync', 'configure', 'feedLost'];
const DECIDED = `
  Starting  | already | already | afterwards | refused | afterwards | afterwards
  Online    | already | already | stop       | refused | restart    | lost
  Stopping  | refused | wait    | stay       | refused | afterwards | already
  Offline   | start   | wait    | stay       | resync  | adopt      | already
  Resyncing | refused | refused | already    | refused | afterwards | lost
`;

function open() {
  const clock = new DrivenClock();
  const metrics = createMetrics({ clock });
  metrics.addDatabase('db');
  const states = new DatabaseStates({ database: 'db', log: silentLog, metrics }, clock);
  return { clock, metrics, states };
}

test('every request has the reaction that is decided, in every state', () => {
  const rows = DECIDED.trim().split('\n');
  const decided = Object.fromEntries(
    rows.map((row) => {
      const [state = '', ...reactions] = row.split('|').map((cell) => cell.trim());
      return [state, Object.fromEntries(REQUESTS.map((name, n) => [name, reactions[n]]))];
    }),
  );
  assert.deepEqual(REACTIONS, decided);
});

/** Where the first state leads that a reaction enters. */
const ENTERS: Partial<Record<Reaction, DatabaseState>> = {
  start: 'Starting',
  stop: 'Stopping',
  restart: 'Stopping',
  resync: 'Resyncing',
};

test('what a reaction enters may follow, and from every state there is a way back online', () => {
  for (const [state, reactions] of Object.entries(REACTIONS) as [
    DatabaseState,
    Record<StateRequest, Reaction>,
  ][]) {
    for (const reaction of Object.values(reactions)) {
      const to = ENTERS[reaction];
      if (to !== undefined) assert.ok(MOVES[state].includes(to), `${state}: ${reaction}`);
    }
    const reached = new Set<DatabaseState>([state]);
    for (const from of reached) for (const to of MOVES[from]) reached.add(to);
    assert.ok(reached.has('Online') && reached.has('Offline'), state);
  }
});

test('a transition is counted, and tells since when in what it refuses', () => {
  const { clock, metrics, states } = open();
  assert.throws(() => states.requireOnline(), { tag: 'unavailable' });
  states.enter('Online', 'it was loaded');
  states.requireOnline();
  clock.advance(5000);
  states.enter('Stopping', 'somebody said so');
  assert.throws(() => states.reactionTo('goOnline'), {
    tag: 'unavailable',
    message: 'the database is stopping since 2026-01-01T00:00:05.000Z',
  });
  assert.throws(() => states.enter('Online', 'no way'), /bug: no way from Stopping to Online/);
  assert.equal(states.state, 'Stopping');
  assert.equal(metrics.value('state_change_count', 'db'), 2);
});
