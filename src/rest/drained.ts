import { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** How long a reader may take nothing of what is sent to it before its connection is cut, ms. */
const STALL_MS_MAX = 120_000;

/** Resolves when the reader has taken what was written; rejects on `signal` or when it is gone. */
export async function untilDrained(
  written: ServerResponse | Socket,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const socket = written instanceof ServerResponse ? written.socket : written;
  if (socket === null || written.destroyed) throw readerGone();
  const waiting = Promise.withResolvers<void>();
  const onAbort = (): void => waiting.reject(signal.reason as Error);
  const onClose = (): void => waiting.reject(readerGone());
  const onStall = (): void => void socket.destroy();
  written.once('drain', waiting.resolve).once('close', onClose);
  signal.addEventListener('abort', onAbort);
  socket.setTimeout(STALL_MS_MAX, onStall);
  try {
    await waiting.promise;
  } finally {
    socket.setTimeout(0, onStall);
    written.off('drain', waiting.resolve).off('close', onClose);
    signal.removeEventListener('abort', onAbort);
  }
}

const readerGone = (): ReaderGone => new ReaderGone();

/** The reader of an answer went away: nobody is left to be told. */
export class ReaderGone extends Error {
  constructor() {
    super('the reader of the answer went away');
    this.name = 'ReaderGone';
  }
}
