import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError } from '../util/errors.ts';
import { canonicalJson } from './canonical-json.ts';
import { DEPTH_MAX, scanObject } from './json-scanner.ts';
import { sourceWithout } from './json-source.ts';

const none = (): boolean => false;
const canonical = (text: string): string => canonicalJson(scanObject(text), none);
const source = (text: string): string => sourceWithout(scanObject(text), none);

const refused = (text: string, reason: RegExp): void => {
  assert.throws(
    () => scanObject(text),
    (cause) =>
      cause instanceof GatewayError && cause.tag === 'badRequest' && reason.test(cause.message),
  );
};

const notAnObject = ['', '   ', '[]', '[{"a":1}]', '17', 'null', 'true', '"a"', '\ufeff{"a":1}'];
for (const text of notAnObject) {
  test(`${JSON.stringify(text)} is no object`, () => refused(text, /expected a JSON object/));
}

const broken = [
  '{',
  '{"a"',
  '{"a":',
  '{"a":1',
  '{"a":[1,2',
  '{"a":1,}',
  '{,}',
  '{"a" 1}',
  '{"a":1 "b":2}',
  '{"a":[1,]}',
  '{"a":[,]}',
  '{"a":[1 2]}',
  "{'a':1}",
  '{a:1}',
  '{"a":tru}',
  '{"a":nul',
  '{"a":undefined}',
  '{"a":NaN}',
  '{"a":01}',
  '{"a":-}',
  '{"a":1.}',
  '{"a":.5}',
  '{"a":+1}',
  '{"a":1e}',
  '{"a":1e+}',
  '{"a":0x10}',
  '{"a":"x}',
  '{"a":"x\\"}',
  '{"a":"\\x"}',
  '{"a":"\\u12g4"}',
  '{"a":"\\u123"}',
  '{"a":"\n"}',
  '{"a":"\t"}',
  '{"a":"\0"}',
  '{"\n":1}',
  '{"a":1}}',
  '{"a":1} x',
  '{"a":1}{"b":2}',
  '{"a":1}/**/',
  '{"a":1,/**/"b":2}',
  '{"a":\u00a01}',
  '{"a":\v1}',
];
for (const text of broken) {
  test(`${JSON.stringify(text)} is refused`, () => refused(text, /line \d+, column \d+/));
}

test('an error tells line and column', () => {
  refused('{"a":1,\n  "b": oops}', /line 2, column 8: expected a JSON value/);
});

test('nesting up to the limit is read, beyond it refused, far beyond it too', () => {
  const nested = (depth: number): string => `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`;
  assert.equal(canonical(nested(DEPTH_MAX - 1)), nested(DEPTH_MAX - 1));
  refused(nested(DEPTH_MAX), /nested more than 1000 levels/);
  refused('{"a":'.repeat(500_000), /nested more than 1000 levels/);
  assert.throws(() => scanObject('{"a":{"b":{}}}', { depthMax: 2 }), /nested more than 2 levels/);
});

test('of equal keys the last one counts, at every level, canonical or not', () => {
  assert.equal(canonical('{"a":1,"b":2,"a":3}'), '{"a":3,"b":2}');
  assert.equal(source('{"a":1,"b":2,"a":3}'), '{"b":2,"a":3}');
  const nested = '{"z":[{"x":{"p":1,"p":2},"y":1,"x" : {"q":1,"q":2}} , {"a":1,"a":1}]}';
  assert.equal(canonical(nested), '{"z":[{"x":{"q":2},"y":1},{"a":1}]}');
  assert.equal(source(nested), '{"z":[{"y":1,"x":{"q":2}},{"a":1}]}');
  assert.equal(canonical('{"a":1,"\\u0061":2}'), '{"a":2}');
  assert.equal(source('{"a":1,"\\u0061":2}'), '{"\\u0061":2}');
});

test('the source keeps its order and spelling, without white space between tokens', () => {
  const text = ' { "b" : [ 1.0 , 1E5 ] ,\r\n "a" : "\\u00e9 \\/ \\" x" , "10":{ } } ';
  assert.equal(source(text), '{"b":[1.0,1E5],"a":"\\u00e9 \\/ \\" x","10":{}}');
  assert.equal(
    sourceWithout(scanObject('{"a":1,"b":2,"c":3}'), (key) => key === 'b'),
    '{"a":1,"c":3}',
  );
  assert.equal(
    sourceWithout(scanObject('{"a":1, "b":2}'), (key) => key === 'a'),
    '{"b":2}',
  );
  assert.equal(
    sourceWithout(scanObject('{"a":1}'), (key) => key === 'a'),
    '{}',
  );
});

test('keys that JavaScript objects treat specially are keys like others', () => {
  const text = '{"__proto__":{"b":1,"a":2},"constructor":1,"2":1,"1":2}';
  assert.equal(canonical(text), '{"1":2,"2":1,"__proto__":{"a":2,"b":1},"constructor":1}');
  assert.equal(source(text), text);
});

test('keys are ordered by UTF-8, not by UTF-16', () => {
  assert.equal(canonical('{"\u{1f600}":1,"\uffee":2,"é":3}'), '{"é":3,"\uffee":2,"\u{1f600}":1}');
});

test('a text with a hundred thousand escaped strings is read in linear time', () => {
  const text = `{"a":[${Array(100_000).fill('"a & b"').join(',')}]}`;
  const started = process.hrtime.bigint();
  scanObject(text);
  assert.ok(process.hrtime.bigint() - started < 2_000_000_000n);
});
