import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { isGatewayError } from '../util/errors.ts';
import { parseDocument } from './parsed-document.ts';
import { compareRevIds, createRevId, digestOf, generationOf, parseRevId } from './rev-id.ts';

interface Vector {
  readonly name: string;
  readonly parentRev: string;
  readonly requestBody?: string | null;
  readonly canonicalJSON: string;
  readonly rev: string;
}

const file = new URL('../../test/vectors/revid.json', import.meta.url);
const recorded = JSON.parse(readFileSync(file, 'utf8')) as {
  readonly vectors: readonly Vector[];
  readonly injected: readonly Vector[];
};

for (const vector of [...recorded.vectors, ...recorded.injected]) {
  test(`the recorded revision id "${vector.name}" is made`, () => {
    const parent = vector.parentRev === '' ? undefined : parseRevId(vector.parentRev);
    if (typeof vector.requestBody === 'string') {
      assert.equal(parseDocument(vector.requestBody).canonical, vector.canonicalJSON);
    }
    assert.equal(createRevId(parent, vector.canonicalJSON), vector.rev);
  });
}

test('the file of recorded revision ids is not cut short', () => {
  assert.equal(recorded.vectors.length, 46);
});

test('a parent id of 128 characters and more is hashed with its length in one byte', () => {
  const parent = parseRevId(`1-${'a'.repeat(160)}`);
  const input = Buffer.concat([Buffer.of(162), Buffer.from(`${parent}{"é":1}`)]);
  const expected = createHash('md5').update(input).digest('hex');
  assert.equal(createRevId(parent, '{"é":1}'), `2-${expected}`);
});

test('a revision id has a generation and a digest', () => {
  const rev = parseRevId('12-abc');
  assert.equal(generationOf(rev), 12);
  assert.equal(digestOf(rev), 'abc');
  assert.equal(generationOf(parseRevId('3-a-b')), 3);
  assert.equal(digestOf(parseRevId('3-a-b')), 'a-b');
});

const malformed = ['', 'zzz', 'nodash', '-a', '1-', '0-a', '01-a', '1-a b', '1-"', '1-\\', '1-é'];
malformed.push('1.5-a', '-1-a', `1-${'x'.repeat(201)}`, `${'9'.repeat(16)}-a`, '1-a\n');
for (const text of malformed) {
  test(`${JSON.stringify(text.slice(0, 20))} is no revision id`, () => {
    assert.throws(
      () => parseRevId(text),
      (cause) => isGatewayError(cause, 'badRequest'),
    );
  });
}

test('revision ids are ordered by generation as a number, then by digest as a string', () => {
  const revs = ['10-a', '9-z', '9-b', '9-ba', '1-f'].map(parseRevId);
  assert.deepEqual(revs.toSorted(compareRevIds), ['1-f', '9-b', '9-ba', '9-z', '10-a']);
  assert.equal(compareRevIds(parseRevId('2-a'), parseRevId('2-a')), 0);
});
