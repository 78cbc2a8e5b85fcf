import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { utf8Bytes } from './utf8-bytes.ts';

test('any text has the bytes that Buffer.from gives it, however many they are', () => {
  const short = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.string({ unit: 'grapheme' }),
  );
  const long = fc.tuple(short, fc.nat(2000)).map(([text, times]) => text.repeat(times));
  const texts = fc.oneof(short, long);
  fc.assert(fc.property(texts, (text) => assert.deepEqual(utf8Bytes(text), Buffer.from(text))));
  for (const text of [
    '',
    'é'.repeat(17),
    '😀'.repeat(999),
    '\ud800'.repeat(50),
    `${'a'.repeat(160)}€`,
  ])
    assert.deepEqual(utf8Bytes(text), Buffer.from(text));
});
