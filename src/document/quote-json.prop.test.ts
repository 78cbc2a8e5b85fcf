import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { quoteJson } from './quote-json.ts';

test('any text is quoted as JSON does it', () => {
  const texts = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.string({ unit: 'grapheme' }),
  );
  fc.assert(fc.property(texts, (text) => assert.equal(quoteJson(text), JSON.stringify(text))));
  for (const text of ['', '"', '\\', '\n', '\u007f', 'é', '\ud800', '__proto__'])
    assert.equal(quoteJson(text), JSON.stringify(text));
});
