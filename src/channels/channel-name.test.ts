import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isValidChannelName } from './channel-name.ts';

test('isValidChannelName accepts what the sync function may hand out', () => {
  for (const name of ['a', '*', '!', 'with space', 'Ünï', 'a.b-c_d/e:f@g', '__proto__']) {
    assert.equal(isValidChannelName(name), true, name);
  }
});

test('isValidChannelName refuses the empty name, commas, NUL and broken Unicode', () => {
  for (const name of ['', ',', 'a,b', 'a\0b', '\ud800']) {
    assert.equal(isValidChannelName(name), false, JSON.stringify(name));
  }
});

test('isValidChannelName limits the bytes, not the characters', () => {
  assert.equal(isValidChannelName('x'.repeat(1000)), true);
  assert.equal(isValidChannelName('x'.repeat(1001)), false);
  assert.equal(isValidChannelName('€'.repeat(333)), true);
  assert.equal(isValidChannelName('€'.repeat(334)), false);
});
