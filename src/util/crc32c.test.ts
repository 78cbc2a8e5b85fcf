import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { crc32c } from './crc32c.ts';

const VECTORS = path.join(import.meta.dirname, '../../test/vectors/crc32c.json');

test('stored bodies have the checksums that a reference recorded', () => {
  const { vectors } = JSON.parse(readFileSync(VECTORS, 'utf8')) as {
    vectors: readonly { readonly storedBody: string; readonly value_crc32c: string }[];
  };
  assert.ok(vectors.length > 0);
  for (const { storedBody, value_crc32c: expected } of vectors) {
    const checksum = crc32c(Buffer.from(storedBody)).toString(16).padStart(8, '0');
    assert.equal(`0x${checksum}`, expected, storedBody);
  }
});
