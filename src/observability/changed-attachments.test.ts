import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changedAttachments } from './changed-attachments.ts';

const stub = (digest: string, type = 'text/plain') => ({ digest, content_type: type });

test('what a write does to attachments is told by name; what stays is not', () => {
  const before = { same: stub('a'), other: stub('b'), typed: stub('c'), gone: stub('d') };
  const after = {
    same: stub('a'),
    other: stub('x'),
    typed: stub('c', 'text/html'),
    made: stub('e'),
  };
  assert.deepEqual(
    [...changedAttachments({ before, after })],
    [
      ['updateAttachment', 'other'],
      ['updateAttachment', 'typed'],
      ['createAttachment', 'made'],
      ['deleteAttachment', 'gone'],
    ],
  );
});

test('names of properties that every object has are names like others', () => {
  const after = { constructor: stub('a') };
  assert.deepEqual(
    [...changedAttachments({ before: {}, after })],
    [['createAttachment', 'constructor']],
  );
});
