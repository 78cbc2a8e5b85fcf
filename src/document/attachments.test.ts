import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError, isGatewayError } from '../util/errors.ts';
import { parseAttachments } from './attachments-input.ts';
import { completeAttachments, findAttachment, mergeAttachments } from './attachments-merge.ts';
import type { Attachments, Digest } from './types.ts';

const D1 = 'sha1-vnYzG5Xfw5nNd20vxoAh4NsDzE8=' as Digest;
const D2 = 'sha1-opXgvd4ZONH7/TQ+Wj5WnoaOFGU=' as Digest;
const parent: Attachments = {
  one: { digest: D1, length: 5, revpos: 1, content_type: 'text/plain' },
};
const context = { parent, generation: 2, ownDigests: new Set([D1]) };

test('inline data is decoded; what it says of digest and length counts for nothing', () => {
  const input = parseAttachments({ f: { data: 'AAEC/w==', digest: 'junk', length: 'x' } });
  assert.deepEqual(input['f'], { kind: 'data', data: Buffer.from([0, 1, 2, 255]) });
});

const refused: readonly unknown[] = [
  [],
  null,
  'text',
  { f: 'text' },
  { f: null },
  { f: [] },
  { f: {} },
  { f: { stub: false } },
  { f: { data: 5 } },
  { f: { data: null } },
  { f: { data: '***' } },
  { f: { data: 'AAEC_w==' } },
  { f: { data: 'AAEC/w=' } },
  { f: { data: 'AAEC/w' } },
  { f: { data: 'AAEC\n/w==' } },
  { f: { data: 'AA=C' } },
  { f: { data: 'Zg==', content_type: 5 } },
  { f: { stub: true, digest: 'md5-x' } },
  { f: { stub: true, revpos: -1 } },
  { f: { stub: true, revpos: '1' } },
  { f: { follows: true, length: 3 } },
  { f: { follows: true, digest: D1 } },
  { f: { follows: true, digest: D1, length: 1.5 } },
  { '': { data: 'Zg==' } },
];
for (const value of refused) {
  test(`_attachments ${JSON.stringify(value)} is refused`, () => {
    assert.throws(
      () => parseAttachments(value),
      (cause) => isGatewayError(cause, 'badRequest'),
    );
  });
}

test('names that JavaScript objects treat specially are names like others', () => {
  const input = parseAttachments(JSON.parse('{"__proto__":{"data":"Zg=="}}'));
  const plan = mergeAttachments(input, context);
  const stored = new Map([['__proto__', { digest: D2, length: 1 }]]);
  const attachments = completeAttachments(plan, stored);
  assert.equal(findAttachment(attachments, '__proto__')?.digest, D2);
  assert.equal(findAttachment(attachments, 'constructor'), undefined);
  assert.equal(findAttachment({}, '__proto__'), undefined);
});

test('a stub keeps what the parent has, and what is not named is dropped', () => {
  const byName = parseAttachments({ one: { stub: true, revpos: 1 } });
  assert.deepEqual(mergeAttachments(byName, context).kept, parent);
  const byDigest = parseAttachments({ one: { stub: true, digest: D1, revpos: 7 } });
  assert.deepEqual(mergeAttachments(byDigest, context).kept, parent);
  assert.deepEqual(mergeAttachments(undefined, context).kept, {});
});

test('a stub of what the document has not is refused, whatever other documents have', () => {
  for (const stub of [{ stub: true }, { stub: true, revpos: 2 }, { stub: true, digest: D2 }]) {
    const input = parseAttachments({ two: stub });
    assert.throws(() => mergeAttachments(input, context), /"two" is a stub/);
  }
  const changed = parseAttachments({ one: { stub: true, digest: D2 } });
  assert.throws(() => mergeAttachments(changed, context), /"one" is a stub/);
});

test('a stub may name what another kept revision of the document has', () => {
  const input = parseAttachments({ back: { stub: true, digest: D1, revpos: 1 } });
  const plan = mergeAttachments(input, { ...context, parent: {}, generation: 3 });
  assert.deepEqual([...plan.claimed.keys()], ['back']);
  const attachments = completeAttachments(plan, new Map([['back', { digest: D1, length: 5 }]]));
  assert.deepEqual(attachments, { back: { digest: D1, length: 5, revpos: 1 } });
});

test('what a revision brings has its generation as revpos, whatever it says', () => {
  const input = parseAttachments({
    in: { data: 'Zg==', content_type: 'text/plain', revpos: 1 },
    after: { follows: true, digest: D2, length: 4, encoding: 'gzip', revpos: 1 },
  });
  const plan = mergeAttachments(input, context);
  const stored = new Map([
    ['in', { digest: D1, length: 1 }],
    ['after', { digest: D2, length: 4 }],
  ]);
  assert.deepEqual(completeAttachments(plan, stored), {
    in: { digest: D1, length: 1, revpos: 2, content_type: 'text/plain' },
    after: { digest: D2, length: 4, revpos: 2, encoding: 'gzip' },
  });
});

test('bytes that never came are refused', () => {
  const plan = mergeAttachments(parseAttachments({ f: { data: 'Zg==' } }), context);
  assert.throws(() => completeAttachments(plan, new Map()), GatewayError);
});
