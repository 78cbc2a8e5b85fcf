/** The thread of the writing connection: answers one request after another. */
import { parentPort, workerData } from 'node:worker_threads';

import { must, unreachable } from '../../util/assert.ts';
import { sharedNowMs } from '../../util/shared-now.ts';
import { isGatewayError } from '../../util/errors.ts';
import { unpackCalls } from './packed-changes.ts';
import { packOutcomes } from './packed-outcomes.ts';
import { storeError } from './store-error.ts';
import type {
  WireError,
  WriterAnswer,
  WriterEnvelope,
  WriterOpened,
  WriterRequest,
  WriterThreadData,
} from './writer-messages.ts';
import { Writer } from './writer.ts';

const port = must(parentPort, 'the writer runs in a worker thread');

function wireError(cause: unknown): WireError {
  const error = storeError(cause);
  if (isGatewayError(error)) {
    return { tag: error.tag, message: error.message, details: error.details };
  }
  if (error instanceof Error) return { message: error.message, stack: error.stack ?? '' };
  return { message: String(error) };
}

function answer(writer: Writer, request: WriterRequest): unknown {
  switch (request.kind) {
    case 'commit':
      return packOutcomes(
        writer
          .commit(unpackCalls(request.calls), request.nowSecs)
          .map((outcome) =>
            'failure' in outcome ? { failure: wireError(outcome.failure) } : outcome,
          ),
      );
    case 'openCollection':
      return writer.openCollection(request.name);
    case 'addChunk':
      return writer.addChunk(request.upload, request.bytes, request);
    case 'finishUpload':
      return writer.finishUpload(request.upload, request.bytes, request);
    case 'keepAttachments':
      return writer.keepAttachments(request.digests, request.nowSecs);
    case 'discardUpload':
      return writer.discardUpload(request.upload);
    case 'removeExpired':
      return writer.removeExpired(request.nowSecs, request.graceSecs);
    case 'setAside':
      return writer.setAside(request.positions, request.reason);
    case 'queueRejected':
      return writer.queueRejected(request.collection, request.which);
    case 'mendForeignWrites':
      return writer.mendForeignWrites();
    case 'recheckForeignWrites':
      return writer.recheckForeignWrites();
    case 'changeLease':
      return writer.changeLease(request.change);
    case 'close':
      writer[Symbol.dispose]();
      return undefined;
    default:
      return unreachable(request);
  }
}

function tell(told: WriterAnswer): void {
  port.postMessage(told);
}

/** Past a lock of another process; the commits of other gateways are shorter. */
const LOCK_WAIT_MS_LEAST = 100;

/** What has waited behind others that waited for a lock is told so that much sooner. */
function lockWaitMs(askedMs: number): number {
  const { busyTimeoutMs: most } = workerData as WriterThreadData;
  const waitedMs = Math.round(sharedNowMs() - askedMs);
  if (waitedMs < LOCK_WAIT_MS_LEAST) return most;
  return Math.min(most, Math.max(LOCK_WAIT_MS_LEAST, most - waitedMs));
}

try {
  const writer = new Writer(workerData as WriterThreadData);
  port.on('message', ([id, askedMs, request]: WriterEnvelope) => {
    try {
      writer.waitForLocks(lockWaitMs(askedMs));
      tell([id, answer(writer, request)]);
    } catch (cause) {
      tell([id, undefined, wireError(cause)]);
    }
    if (request.kind === 'close') port.close();
  });
  const opened: WriterOpened = { uuid: writer.uuid, mended: writer.mended };
  tell([0, opened]);
} catch (cause) {
  tell([0, undefined, wireError(cause)]);
  port.close();
}
