import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SlotList } from './slot-list.ts';

test('slots are taken again, and only what is there is met', () => {
  const list = new SlotList<{ readonly name: string }>();
  const [a, b, c] = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];
  const slot = list.add(a);
  list.add(b);
  list.remove(slot, a);
  assert.equal(list.size, 1);
  assert.equal(list.add(c), slot);
  assert.deepEqual(
    Array.from(list, ({ name }) => name),
    ['c', 'b'],
  );
});

test('a member that was removed does not take another with it', () => {
  const list = new SlotList<object>();
  const [first, second] = [{}, {}];
  const slot = list.add(first);
  list.remove(slot, first);
  list.remove(slot, first);
  assert.equal(list.add(second), slot);
  list.remove(slot, first);
  assert.deepEqual([...list], [second]);
});

test('members may leave while they are met', () => {
  const list = new SlotList<object>();
  const members = [{}, {}, {}];
  const slots = members.map((member) => list.add(member));
  const met: object[] = [];
  for (const member of list) {
    met.push(member);
    for (const [index, each] of members.entries()) list.remove(slots[index] ?? -1, each);
  }
  assert.deepEqual(met, [members[0]]);
  assert.equal(list.size, 0);
});
