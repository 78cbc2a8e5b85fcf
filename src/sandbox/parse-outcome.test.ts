import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isGatewayError } from '../util/errors.ts';
import { parseAnswer } from './parse-outcome.ts';

test('an answer of any other form is a failure of the function', () => {
  const answers = [
    '',
    'x',
    'null',
    '[]',
    '{}',
    '{"c":"a"}',
    '{"c":[1]}',
    '{"c":[""]}',
    '{"c":["a,b"]}',
    '{"c":["a\\u0000"]}',
    '{"c":["\\ud800"]}',
    '{"c":[],"a":{}}',
    '{"c":[],"a":[["u"]]}',
    '{"c":[],"a":[["",["x"]]]}',
    '{"c":[],"a":[["role:",["x"]]]}',
    '{"c":[],"o":[["u",[""]]]}',
    '{"c":[],"e":5}',
    '{"x":["other","r"]}',
    '{"x":["forbidden",{}]}',
    '{"f":[{}]}',
    '{"c":[],"g":[[]]}',
    '{"c":[],"g":5}',
  ];
  for (const text of answers) {
    const answer = parseAnswer(text);
    assert('failure' in answer, text);
    assert(isGatewayError(answer.failure, 'functionFailed'));
  }
});

test('no answer makes reading it throw', () => {
  fc.assert(fc.property(fc.json(), (text) => void parseAnswer(text)));
});

test('a failure tells its place where it is known', () => {
  const placed = parseAnswer('{"f":["Error: x",3,5]}');
  assert('failure' in placed);
  assert.equal(placed.failure.message, 'sync function, line 3, column 5: Error: x');
  assert.deepEqual(placed.failure.details, { line: 3, column: 5 });
  const unplaced = parseAnswer('{"f":["x",0,0]}');
  assert('failure' in unplaced);
  assert.equal(unplaced.failure.message, 'sync function: x');
});
