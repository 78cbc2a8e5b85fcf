import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isGatewayError } from '../util/errors.ts';
import { canonicalJson } from './canonical-json.ts';
import { scanObject } from './json-scanner.ts';
import { sourceWithout } from './json-source.ts';
import { compareUtf8 } from './utf8-order.ts';

const none = (): boolean => false;

const document = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 4 }), {
  noNullPrototype: true,
});
const texts = fc
  .tuple(document, fc.constantFrom(undefined, 1, '\t', ' \n'))
  .map(([value, space]) => JSON.stringify(value, null, space));

/** The canonical form the slow way: parse, sort, write. Number text is what JSON.stringify gave. */
function referenceForm(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(referenceForm).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).toSorted(([a], [b]) =>
      Buffer.compare(Buffer.from(a), Buffer.from(b)),
    );
    return `{${entries.map(([k, v]) => `${referenceString(k)}:${referenceForm(v)}`).join(',')}}`;
  }
  return typeof value === 'string' ? referenceString(value) : JSON.stringify(value);
}

function referenceString(value: string): string {
  return JSON.stringify(value.toWellFormed())
    .replaceAll('<', '\\u003c')
    .replaceAll('>', '\\u003e')
    .replaceAll('&', '\\u0026')
    .replaceAll('\u2028', '\\u2028')
    .replaceAll('\u2029', '\\u2029');
}

test('the canonical form is that of parsing, sorting and writing', () => {
  fc.assert(
    fc.property(texts, (text) => {
      assert.equal(canonicalJson(scanObject(text), none), referenceForm(JSON.parse(text)));
    }),
  );
});

test('the canonical form of a canonical form is itself', () => {
  fc.assert(
    fc.property(texts, (text) => {
      const once = canonicalJson(scanObject(text), none);
      assert.equal(canonicalJson(scanObject(once), none), once);
    }),
  );
});

test('the source form means the same and holds no white space between tokens', () => {
  fc.assert(
    fc.property(texts, (text) => {
      const kept = sourceWithout(scanObject(text), none);
      assert.deepEqual(JSON.parse(kept), JSON.parse(text));
      assert.equal(kept, JSON.stringify(JSON.parse(text)));
    }),
  );
});

test('whatever JSON.parse takes as an object is read, and what it refuses is refused', () => {
  const mutated = fc
    .tuple(texts, fc.nat(), fc.constantFrom('', '"', '\\', '{', ']', ',', ':', '0', '-', 'e', ' '))
    .map(([text, at, put]) => {
      const where = at % text.length;
      return text.slice(0, where) + put + text.slice(where + (at % 3));
    });
  fc.assert(
    fc.property(mutated, (text) => {
      let isObject = false;
      try {
        const value: unknown = JSON.parse(text);
        isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
      } catch {
        // It stays false.
      }
      let read = true;
      try {
        scanObject(text);
      } catch (cause) {
        assert.ok(isGatewayError(cause, 'badRequest'));
        read = false;
      }
      assert.equal(read, isObject, text);
    }),
    { numRuns: 2000 },
  );
});

test('the order of keys is that of their UTF-8 bytes', () => {
  const string = fc.string({ unit: 'binary' }).map((text) => text.toWellFormed());
  fc.assert(
    fc.property(string, string, (a, b) => {
      const expected = Buffer.compare(Buffer.from(a), Buffer.from(b));
      assert.equal(Math.sign(compareUtf8(a, b)), expected);
    }),
  );
});
