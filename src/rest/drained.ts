import type { ServerResponse } from 'node:http';

/** How long a reader may take nothing of what is sent to it before its connection is cut, ms. */
const STALL_MS_MAX = 120_000;

/** Resolves when the reader has taken what was written; rejects on `signal` or when it is gone. */
export async function untilDrained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { socket } = response;
  if (socket === null || response.destroyed) throw readerGone();
  const waiting = Promise.withResolvers<void>();
  const onAbort = (): void => waiting.reject(signal.reason as Error);
  const onClose = (): void => waiting.reject(readerGone());
  response.once('drain', waiting.resolve).once('close', onClose);
  signal.addEventListener('abort', onAbort);
  socket.setTimeout(STALL_MS_MAX); // node destroys it where nothing moves for so long
  try {
    await waiting.promise;
  } finally {
    socket.setTimeout(0);
    response.off('drain', waiting.resolve).off('close', onClose);
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
