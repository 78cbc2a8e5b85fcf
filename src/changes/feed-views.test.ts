import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { CollectionId } from '../bucket/bucket.ts';
import { sequence } from '../document/types.ts';
import type { Reader, UserAccess } from '../principals/access.ts';
import { FeedViews } from './feed-views.ts';

const collection = 1 as CollectionId;
const options = { database: 'db', collection, channels: undefined };

function accessTo(name: string, channels: readonly string[]): UserAccess {
  const held = {
    current: new Map(channels.map((channel) => [channel, sequence(2)])),
    ended: [],
  };
  return {
    name,
    userSequence: sequence(2),
    version: sequence(2),
    asOf: sequence(5),
    roles: new Map(),
    channels: () => held,
  };
}

const user = (access: UserAccess): Reader => ({ kind: 'user', access });

test('all who ask with one access have one view', () => {
  const views = new FeedViews();
  const access = accessTo('ada', ['a', 'b']);
  const view = views.of(user(access), options);
  assert.deepEqual(view.channels, ['a', 'b']);
  assert.equal(views.of(user(access), { ...options }), view);
  assert.equal(views.of({ kind: 'admin' }, options), views.of({ kind: 'admin' }, options));
});

test('an access that was found to hold later has a view of that time, with the same rights', () => {
  const views = new FeedViews();
  const access = accessTo('ada', ['a']);
  const before = views.of(user(access), options);
  const after = views.of(user({ ...access, asOf: sequence(8) }), options);
  assert.deepEqual([before.access?.asOf, after.access?.asOf], [5, 8]);
  assert.equal(after.interest, before.interest);
  assert.equal(after.turns(), before.turns());
});

test('another access of the user, and what looks like it, has a view of its own', () => {
  const views = new FeedViews();
  const access = accessTo('ada', ['a']);
  views.of(user(access), options);
  const more = views.of(user(accessTo('ada', ['a', 'b'])), options);
  assert.deepEqual(more.channels, ['a', 'b']);
  // NOTE: the roles of both are the same object, as those of no real users are.
  const other = views.of(user({ ...accessTo('tom', ['c']), roles: access.roles }), options);
  assert.deepEqual([other.user?.name, other.channels], ['tom', ['c']]);
});

test('collections and filters have views of their own, of which the last are kept', () => {
  const views = new FeedViews();
  const reader = user(accessTo('ada', ['a', 'b']));
  const whole = views.of(reader, options);
  const filtered = views.of(reader, { ...options, channels: ['b'] });
  assert.deepEqual(filtered.channels, ['b']);
  assert.equal(views.of(reader, { ...options, channels: ['b'] }), filtered);
  assert.notEqual(views.of(reader, { ...options, collection: 2 as CollectionId }), whole);
  for (let n = 0; n < 8; n += 1) views.of(reader, { ...options, channels: [`c${n}`] });
  assert.notEqual(views.of(reader, options), whole);
});
