import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CollectionId } from '../bucket/bucket.ts';
import { sequence } from '../document/types.ts';
import { accessPrecondition, mayRead } from './access.ts';
import type { Reader, UserAccess } from './access.ts';

const C = 1 as CollectionId;
const OTHER = 2 as CollectionId;

function userWith(channels: readonly string[], roles: readonly string[] = []): UserAccess {
  const one = sequence(1);
  const current = new Map(['!', ...channels].map((channel) => [channel, one]));
  const none = new Map([['!', one]]);
  return {
    name: 'ann',
    userSequence: one,
    version: one,
    asOf: sequence(7),
    roles: new Map(roles.map((role) => [role, one])),
    channels: (collection) => ({ current: collection === C ? current : none, ended: [] }),
  };
}

const reader = (...channels: string[]): Reader => ({ kind: 'user', access: userWith(channels) });

test('mayRead: a user reads what is in one of its channels or in the public one', () => {
  assert.equal(mayRead(reader('a'), C, ['x', 'a']), true);
  assert.equal(mayRead(reader('a'), C, ['x']), false);
  assert.equal(mayRead(reader(), C, ['!']), true);
  assert.equal(mayRead(reader('a'), OTHER, ['a']), false);
});

test('mayRead: documents in no channel, or in one called *, are for admins and holders of * only', () => {
  for (const channels of [[], ['*']]) {
    assert.equal(mayRead(reader('a'), C, channels), false);
    assert.equal(mayRead(reader('*'), C, channels), true);
    assert.equal(mayRead({ kind: 'admin' }, C, channels), true);
  }
});

test('accessPrecondition names the user and its roles as of the snapshot', () => {
  assert.deepEqual(accessPrecondition('db', userWith([], ['r'])), {
    database: 'db',
    principals: ['user:ann', 'role:r'],
    asOf: 7,
  });
});
