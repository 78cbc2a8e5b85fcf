import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGatewayError } from '../util/errors.ts';
import { boundaryOf, fileNameOf } from './part-headers.ts';

const isRefusal = (cause: unknown): boolean => isGatewayError(cause, 'badRequest');

test('a boundary is read from the Content-Type, quoted or not', () => {
  assert.equal(boundaryOf('multipart/related; boundary=abc'), 'abc');
  assert.equal(boundaryOf('multipart/related;type="a;b"; Boundary="a b:c"'), 'a b:c');
  assert.equal(boundaryOf('multipart/related; boundary="x\\"'.replace('\\', '')), 'x');
});

test('a Content-Type without a usable boundary is refused', () => {
  for (const contentType of [
    'multipart/related',
    'multipart/related; boundary=',
    'multipart/related; boundary=""',
    'multipart/related; boundary="ends with space "',
    `multipart/related; boundary=${'x'.repeat(71)}`,
    'multipart/related; boundary="a\\"b"',
    'multipart/related; boundary=a; boundary=b',
    'multipart/related; boundary="never ends',
    'multipart/related; =a',
  ])
    assert.throws(() => boundaryOf(contentType), isRefusal, contentType);
});

test('a file name may be quoted, escaped or encoded', () => {
  assert.equal(fileNameOf(undefined), undefined);
  assert.equal(fileNameOf('attachment'), undefined);
  assert.equal(fileNameOf('attachment; filename=a.txt'), 'a.txt');
  assert.equal(fileNameOf('attachment; filename="a \\"b\\"; c.txt"'), 'a "b"; c.txt');
  assert.equal(fileNameOf('attachment; filename="über"'), 'über');
  assert.equal(fileNameOf("attachment; filename=x; filename*=UTF-8''%C3%BCber"), 'über');
  for (const broken of [
    "attachment; filename*=latin1''a",
    "attachment; filename*=UTF-8''%ff",
    'attachment; filename="a',
  ])
    assert.throws(() => fileNameOf(broken), isRefusal, broken);
});
