/** A second process on the same folder, for tests: does what it is told over IPC. */
import { silentLog } from '../../observability/log.ts';
import { systemClock } from '../../util/clock.ts';
import { isGatewayError } from '../../util/errors.ts';
import type { Bucket, Change } from '../bucket.ts';
import { SqliteServer } from './sqlite-server.ts';

type OtherRequest = { readonly id: number; readonly folder: string } & (
  | { readonly kind: 'open' }
  | { readonly kind: 'commit'; readonly changes: readonly Change[] }
  | { readonly kind: 'openCollection'; readonly name: string }
  | { readonly kind: 'close' }
);

export type OtherAnswer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly tag: string | undefined; readonly message: string };

const servers = new Map<string, SqliteServer>();
const buckets = new Map<string, Bucket>();

async function answer(request: OtherRequest): Promise<unknown> {
  const { folder } = request;
  switch (request.kind) {
    case 'open': {
      const options = { log: silentLog, clock: systemClock };
      const server = await SqliteServer.inFolder(folder, options);
      servers.set(folder, server);
      buckets.set(folder, await server.open('contract', { create: true }));
      return undefined;
    }
    case 'commit':
      return await buckets.get(folder)?.commit(request.changes);
    case 'openCollection':
      return await buckets.get(folder)?.openCollection(request.name);
    default:
      await servers.get(folder)?.[Symbol.asyncDispose]();
      servers.delete(folder);
      buckets.delete(folder);
      return undefined;
  }
}

process.on('message', (request: OtherRequest) => {
  const { id } = request;
  answer(request).then(
    (value) => process.send?.({ id, value }),
    (cause: unknown) => {
      const tag = isGatewayError(cause) ? cause.tag : undefined;
      process.send?.({ id, tag, message: String(cause) });
    },
  );
});
