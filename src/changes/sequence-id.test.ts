import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isGatewayError } from '../util/errors.ts';
import { compareSequenceIds, parseSequenceId, sequenceJson } from './sequence-id.ts';

test('a since is read as a number, as text, as JSON text, and where it is absent', () => {
  const forms: [unknown, object][] = [
    [12, { seq: 12 }],
    ['12', { seq: 12 }],
    ['"12"', { seq: 12 }],
    ['14:4', { seq: 4, trigger: 14 }],
    ['"14:4"', { seq: 4, trigger: 14 }],
    ['0:4', { seq: 4 }],
    ['', { seq: 0 }],
    ['""', { seq: 0 }],
    [undefined, { seq: 0 }],
    [null, { seq: 0 }],
    [0, { seq: 0 }],
  ];
  for (const [form, id] of forms) assert.deepEqual(parseSequenceId(form), id, String(form));
});

test('a since with a low sequence goes on at the low sequence', () => {
  assert.deepEqual(parseSequenceId('2::3'), { seq: 2 });
  assert.deepEqual(parseSequenceId('2:5:3'), { seq: 2 });
});

test('a since that is no sequence is refused', () => {
  const forms = [
    'abc',
    '-1',
    -1,
    1.5,
    '1.5',
    'now',
    '1:2:3:4',
    '1:0:x',
    'x:1',
    ':',
    '1:',
    ':1',
    '::',
    '1::',
    ' 1',
    '1e3',
    {},
    [],
    true,
    Number.NaN,
    Infinity,
    '99999999999999999999',
    '"',
    2 ** 53,
  ];
  for (const form of forms) {
    assert.throws(
      () => parseSequenceId(form),
      (cause) => isGatewayError(cause, 'badRequest'),
    );
  }
});

test('a plain position is told as a number, one with a trigger as a string', () => {
  for (const text of ['12', '"14:4"']) assert.equal(sequenceJson(parseSequenceId(text)), text);
});

test('T:s stands before plain T and after plain T - 1', () => {
  const inOrder = ['0', '3', '4:0', '4:2', '4:3', '4:9', '4', '5:1', '5'].map(parseSequenceId);
  for (const [i, a] of inOrder.entries()) {
    for (const [j, b] of inOrder.entries()) {
      assert.equal(Math.sign(compareSequenceIds(a, b)), Math.sign(i - j));
    }
  }
});
