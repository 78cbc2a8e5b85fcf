import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';

import type { Digest } from '../../document/types.ts';
import { must } from '../../util/assert.ts';
import { isGatewayError } from '../../util/errors.ts';
import type { AttachmentReference, Bucket } from '../bucket.ts';
import { apply, bytesOf, docId, type OpenBucket, pieces, putDocument, revId } from './changes.ts';

const lengthMax = 10_000_000;
/** Far enough in the future that the grace of everything is over. */
const LATER = 5_000_000_000;

async function collect(bucket: Bucket, now: number): Promise<void> {
  while (await bucket.removeExpired(now, 60));
}

const references = (...digests: readonly Digest[]): readonly AttachmentReference[] =>
  digests.map((digest) => ({ digest, until: 0 }));

async function isStored(bucket: Bucket, digest: Digest): Promise<boolean> {
  return (await bucket.getAttachment(digest)) !== undefined;
}

/** The contract of attachments. */
export function attachmentsContract(open: OpenBucket): void {
  test('bytes are stored under their digest, and read whole or in part', async () => {
    await using bucket = await open();
    const chunk = 256 * 1024;
    for (const length of [0, 1, chunk - 1, chunk, chunk + 1, 3 * chunk + 17]) {
      const bytes = Buffer.alloc(length);
      for (let at = 0; at < length; at += 1) bytes[at] = (at * 31 + (at >> 8)) & 0xff;
      const source = pieces(bytes.subarray(0, 1000), bytes.subarray(1000));
      const stored = await bucket.putAttachment(source, { lengthMax });
      const digest = `sha1-${createHash('sha1').update(bytes).digest('base64')}`;
      assert.deepEqual(stored, { digest, length });
      const found = must(await bucket.getAttachment(stored.digest), 'it was stored');
      assert.equal(found.length, length);
      assert.ok(bytes.equals(await bytesOf(found.bytes)));
      const range = { start: Math.floor(length / 3), end: length - 1 };
      const part = must(await bucket.getAttachment(stored.digest, range), 'it was stored');
      assert.ok(
        bytes
          .subarray(range.start, Math.max(range.start, range.end))
          .equals(await bytesOf(part.bytes)),
      );
    }
    assert.equal(await bucket.getAttachment('sha1-none' as Digest), undefined);
  });

  test('equal bytes are stored once, also by uploads at the same time', async () => {
    await using bucket = await open();
    const all = await Promise.all(
      Array.from(
        { length: 5 },
        async () => await bucket.putAttachment(pieces('same', ' bytes'), { lengthMax }),
      ),
    );
    assert.equal(new Set(all.map(({ digest }) => digest)).size, 1);
    const [first] = all;
    const found = must(await bucket.getAttachment(must(first, 'five').digest), 'it was stored');
    assert.equal((await bytesOf(found.bytes)).toString(), 'same bytes');
  });

  test('a stream longer than allowed is tooLarge, and nothing is kept', async () => {
    await using bucket = await open();
    const [big, rest] = [Buffer.alloc(300_000), Buffer.alloc(300_000)];
    await assert.rejects(
      bucket.putAttachment(pieces(big, rest), { lengthMax: 599_999 }),
      (cause: unknown) => isGatewayError(cause, 'tooLarge'),
    );
    const digest = createHash('sha1').update(big).update(rest).digest('base64');
    assert.equal(await isStored(bucket, `sha1-${digest}` as Digest), false);
    await bucket.putAttachment(pieces(big, rest), { lengthMax: 600_000 });
  });

  test('a stream that fails or is aborted stores nothing, and does not wait', async () => {
    await using bucket = await open();
    const stop = new AbortController();
    async function* hangs(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(300_000);
      stop.abort(new Error('stopped'));
      await new Promise<never>(() => undefined);
    }
    await assert.rejects(bucket.putAttachment(hangs(), { lengthMax, signal: stop.signal }), {
      message: 'stopped',
    });
    async function* fails(): AsyncGenerator<Uint8Array> {
      yield* pieces('some');
      throw new Error('lost');
    }
    await assert.rejects(bucket.putAttachment(fails(), { lengthMax }), { message: 'lost' });
    const digest = createHash('sha1').update('some').digest('base64');
    assert.equal(await isStored(bucket, `sha1-${digest}` as Digest), false);
  });

  test('what a document refers to stays; what nothing refers to goes after its grace', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const put = async (text: string): Promise<Digest> =>
      (await bucket.putAttachment(pieces(text), { lengthMax })).digest;
    const [kept, dropped, never] = [await put('kept'), await put('dropped'), await put('never')];
    const first = await apply(
      bucket,
      putDocument(c, 'a', { attachments: references(kept, dropped) }),
    );
    await collect(bucket, 61);
    assert.ok(await isStored(bucket, never));
    await collect(bucket, LATER);
    assert.deepEqual(
      [
        await isStored(bucket, kept),
        await isStored(bucket, dropped),
        await isStored(bucket, never),
      ],
      [true, true, false],
    );
    const change = { ifCas: first.cas, rev: revId('2-b'), attachments: references(kept) };
    await apply(bucket, putDocument(c, 'a', change));
    assert.ok(await isStored(bucket, dropped));
    await collect(bucket, LATER);
    assert.deepEqual(
      [await isStored(bucket, kept), await isStored(bucket, dropped)],
      [true, false],
    );
    await apply(bucket, { kind: 'purge', collection: c, key: docId('a') });
    await collect(bucket, LATER);
    assert.equal(await isStored(bucket, kept), false);
  });

  test('the grace of what a document will name can begin anew', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const first = await bucket.putAttachment(pieces('first'), { lengthMax });
    const second = await bucket.putAttachment(pieces('second'), { lengthMax });
    const digests = [first.digest, second.digest];
    assert.equal(await bucket.keepAttachments(digests), true);
    await apply(bucket, putDocument(c, 'a', { attachments: references(first.digest) }));
    assert.equal(await bucket.keepAttachments(digests), true);
    await collect(bucket, LATER);
    assert.equal(await bucket.keepAttachments(digests), false);
    assert.equal(await bucket.keepAttachments([first.digest]), true);
    assert.ok(await isStored(bucket, first.digest));
  });

  test('an attachment that two documents refer to stays until neither does', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const { digest } = await bucket.putAttachment(pieces('shared'), { lengthMax });
    await bucket.commit(
      ['a', 'b'].map((key) => putDocument(c, key, { attachments: references(digest) })),
    );
    await apply(bucket, { kind: 'purge', collection: c, key: docId('a') });
    await collect(bucket, LATER);
    assert.ok(await isStored(bucket, digest));
    await apply(bucket, { kind: 'purge', collection: c, key: docId('b') });
    await collect(bucket, LATER);
    assert.equal(await isStored(bucket, digest), false);
  });

  test('a reference ends by itself when the last body that has it expires', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const { digest } = await bucket.putAttachment(pieces('old'), { lengthMax });
    const first = await apply(bucket, putDocument(c, 'a', { attachments: references(digest) }));
    const until = 4_000_000_000;
    const change = { ifCas: first.cas, rev: revId('2-b'), attachments: [{ digest, until }] };
    const second = await apply(bucket, putDocument(c, 'a', change));
    await collect(bucket, until - 1);
    await collect(bucket, until + 59);
    assert.ok(await isStored(bucket, digest));
    await apply(
      bucket,
      putDocument(c, 'a', { ifCas: second.cas, rev: revId('3-c'), attachments: [] }),
    );
    const again = { digest, until: until + 200 };
    await apply(bucket, putDocument(c, 'b', { attachments: [again] }));
    await collect(bucket, until + 199);
    assert.ok(await isStored(bucket, digest));
    await collect(bucket, until + 201);
    await collect(bucket, until + 202 + 60);
    assert.equal(await isStored(bucket, digest), false);
  });

  test('a document may name an attachment before its bytes come', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const digest = `sha1-${createHash('sha1').update('late').digest('base64')}` as Digest;
    await apply(bucket, putDocument(c, 'a', { attachments: references(digest, digest) }));
    await bucket.putAttachment(pieces('late'), { lengthMax });
    await collect(bucket, LATER);
    assert.ok(await isStored(bucket, digest));
  });

  test('a large attachment goes in steps, and is never seen half', async () => {
    await using bucket = await open();
    const big = Buffer.alloc(20 * 256 * 1024, 7);
    const { digest } = await bucket.putAttachment(pieces(big), { lengthMax });
    assert.equal(await bucket.removeExpired(LATER, 60), true);
    assert.equal(await isStored(bucket, digest), false);
    await bucket.putAttachment(pieces(big), { lengthMax });
    const found = must(await bucket.getAttachment(digest), 'it was stored again');
    assert.equal((await bytesOf(found.bytes)).length, big.length);
  });
}
