import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { silentLog } from '../../observability/log.ts';
import { systemClock } from '../../util/clock.ts';
import type { Bucket } from '../bucket.ts';
import { SqliteServer, type SqliteServerOptions } from './sqlite-server.ts';

/** What the adapter's tests share. */
export const TEST_OPTIONS = { log: silentLog, clock: systemClock } as const;

/** A folder of a test's own, removed with everything in it. */
export async function testFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'tidegate-test-'));
  return {
    path,
    [Symbol.asyncDispose]: async () => await rm(path, { recursive: true, force: true }),
  };
}

/** A server over a folder of its own, removed with it. */
export async function testServer(
  options: Partial<SqliteServerOptions> = {},
): Promise<AsyncDisposable & { readonly server: SqliteServer; readonly path: string }> {
  await using opening = new AsyncDisposableStack();
  const { path } = opening.use(await testFolder());
  const server = opening.use(await SqliteServer.inFolder(path, { ...TEST_OPTIONS, ...options }));
  const open = opening.move();
  return { server, path, [Symbol.asyncDispose]: async () => await open.disposeAsync() };
}

/** The bucket with some methods replaced. */
export function delegate(bucket: Bucket, methods: Partial<Bucket>): Bucket {
  return {
    supports: bucket.supports,
    uuid: bucket.uuid,
    leases: bucket.leases,
    foreignWrites: bucket.foreignWrites,
    get trouble() {
      return bucket.trouble;
    },
    openCollection: async (name) => await bucket.openCollection(name),
    get: async (...args) => await bucket.get(...args),
    getMany: async (...args) => await bucket.getMany(...args),
    getRevisionBody: async (...args) => await bucket.getRevisionBody(...args),
    scan: async (...args) => await bucket.scan(...args),
    countKeys: async (...args) => await bucket.countKeys(...args),
    countUnchangedSince: async (...args) => await bucket.countUnchangedSince(...args),
    commit: async (changes) => await bucket.commit(changes),
    lastSequence: async () => await bucket.lastSequence(),
    readChannels: async (request) => await bucket.readChannels(request),
    mutations: (...args) => bucket.mutations(...args),
    readAccess: async (...args) => await bucket.readAccess(...args),
    grantsOf: async (...args) => await bucket.grantsOf(...args),
    lastAccessChange: async (...args) => await bucket.lastAccessChange(...args),
    listPrincipals: async (range) => await bucket.listPrincipals(range),
    lastChanges: async (...args) => await bucket.lastChanges(...args),
    getRecord: async (key) => await bucket.getRecord(key),
    listRecords: async (range) => await bucket.listRecords(range),
    recordsVersion: async (range) => await bucket.recordsVersion(range),
    putAttachment: async (...args) => await bucket.putAttachment(...args),
    keepAttachments: async (digests) => await bucket.keepAttachments(digests),
    getAttachment: async (...args) => await bucket.getAttachment(...args),
    holdersOf: async (...args) => await bucket.holdersOf(...args),
    referencesOf: async (...args) => await bucket.referencesOf(...args),
    listAttachments: async (...args) => await bucket.listAttachments(...args),
    listEndedGrants: async (range) => await bucket.listEndedGrants(range),
    expiredDocuments: async (...args) => await bucket.expiredDocuments(...args),
    removeExpired: async (...args) => await bucket.removeExpired(...args),
    [Symbol.asyncDispose]: async () => await bucket[Symbol.asyncDispose](),
    ...methods,
  };
}
