import type { Bucket } from '../bucket.ts';
import { bucketContract } from '../bucket-contract.ts';
import { SqliteServer } from './sqlite-server.ts';
import { sqlStranger, testSharedBucket } from './stranger-support.ts';
import { delegate, TEST_OPTIONS, testServer } from './test-support.ts';

const openFile = async (): Promise<Bucket> => {
  const held = await testServer();
  const bucket = await held.server.open('contract', { create: true });
  return delegate(bucket, {
    [Symbol.asyncDispose]: async () => {
      await bucket[Symbol.asyncDispose]();
      await held[Symbol.asyncDispose]();
    },
  });
};

bucketContract('a file', openFile, async () => {
  const shared = await testSharedBucket();
  return { ...shared, stranger: sqlStranger(shared.db) };
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
