import { describe } from 'node:test';

import { accessContract } from './contract/access-contract.ts';
import { attachmentsContract } from './contract/attachments-contract.ts';
import type { OpenBucket } from './contract/changes.ts';
import { channelsContract } from './contract/channels-contract.ts';
import { commitContract } from './contract/commit-contract.ts';
import { documentsContract } from './contract/documents-contract.ts';
import { foreignWritesContract, type OpenShared } from './contract/foreign-writes-contract.ts';
import { historyContract } from './contract/history-contract.ts';
import { leasesContract } from './contract/leases-contract.ts';
import { recordsContract } from './contract/records-contract.ts';
import { upkeepContract } from './contract/upkeep-contract.ts';

/**
 * The tests that every adapter passes: a sentence of `bucket.ts` is a test here. `open` gives an
 * empty bucket of its own each time, which is gone when it is disposed; `openShared` one that
 * others may write to, where the adapter has such buckets.
 */
export function bucketContract(name: string, open: OpenBucket, openShared?: OpenShared): void {
  describe(`the bucket contract, ${name}`, () => {
    describe('documents', () => documentsContract(open));
    describe('commits', () => commitContract(open));
    describe('channels', () => channelsContract(open));
    describe('history', () => historyContract(open));
    describe('access', () => accessContract(open));
    describe('records', () => recordsContract(open));
    describe('leases', () => leasesContract(open));
    describe('attachments', () => attachmentsContract(open));
    describe('upkeep', () => upkeepContract(open));
    if (openShared === undefined) return;
    describe('foreign writes', () => foreignWritesContract(openShared));
  });
}
