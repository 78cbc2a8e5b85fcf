import { bucketContract } from '../bucket-contract.ts';
import { SqliteServer } from './sqlite-server.ts';
import { delegate, TEST_OPTIONS, testServer } from './test-support.ts';

bucketContract('a file', async () => {
  const held = await testServer();
  const bucket = await held.server.open('contract', { create: true });
  return delegate(bucket, {
    [Symbol.asyncDispose]: async () => {
      await bucket[Symbol.asyncDispose]();
      await held[Symbol.asyncDispose]();
    },
  });
});

bucketContract('in memory', async () => {
  const server = await SqliteServer.inMemory(TEST_OPTIONS);
  const bucket = await server.open('contract', { create: true });
  return delegate(bucket, {
    [Symbol.asyncDispose]: async () => {
      await bucket[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  });
});
