import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { after } from 'node:test';

import { must } from '../../util/assert.ts';
import type { Change, CollectionId, CommitResult } from '../bucket.ts';
import { bucketContract } from '../bucket-contract.ts';
import { GatewayError } from '../../util/errors.ts';
import type { OtherAnswer } from './other-process.ts';
import { delegate, testServer } from './test-support.ts';

/** The other process, which is asked over IPC. */
class OtherProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: OtherAnswer) => void>();
  #lastId = 0;

  constructor() {
    const file = new URL('./other-process.ts', import.meta.url);
    this.#child = fork(file, { serialization: 'advanced' });
    this.#child.on('message', (answer: OtherAnswer) => {
      must(this.#waiting.get(answer.id), 'each answer is to a request')(answer);
      this.#waiting.delete(answer.id);
    });
  }

  async ask(request: object): Promise<unknown> {
    this.#lastId += 1;
    const id = this.#lastId;
    const answer = await new Promise<OtherAnswer>((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.send({ id, ...request });
    });
    if ('value' in answer) return answer.value;
    if (answer.tag === undefined) throw new Error(answer.message);
    throw new GatewayError(answer.tag as 'unavailable', answer.message);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exit = once(this.#child, 'exit');
    this.#child.kill();
    await exit;
  }
}

const other = new OtherProcess();
after(async () => await other[Symbol.asyncDispose]());

/** Every write is of another process, every read of this one. */
bucketContract('a file that another process writes', async () => {
  const held = await testServer();
  const folder = held.path;
  await other.ask({ kind: 'open', folder });
  const bucket = await held.server.open('contract', { create: false });
  let closed = false;
  return delegate(bucket, {
    commit: async (changes: readonly Change[]) => {
      if (closed) return await bucket.commit(changes);
      return (await other.ask({ kind: 'commit', folder, changes })) as readonly CommitResult[];
    },
    openCollection: async (name) =>
      (await other.ask({ kind: 'openCollection', folder, name })) as CollectionId,
    [Symbol.asyncDispose]: async () => {
      if (closed) return;
      closed = true;
      await bucket[Symbol.asyncDispose]();
      await other.ask({ kind: 'close', folder });
      await held[Symbol.asyncDispose]();
    },
  });
});
