import { once } from 'node:events';
import { connect } from 'node:net';

export interface RawAnswer {
  /** Of the first answer; undefined where there was none. */
  readonly status: number | undefined;
  readonly text: string;
  /** Of its body. */
  readonly json: Readonly<Record<string, unknown>> | undefined;
}

export interface RawOptions {
  /** What comes later, each after as many ms. */
  readonly later?: readonly (readonly [ms: number, bytes: string])[];
  /** Says at once that nothing more comes. */
  readonly end?: boolean;
  /** Goes away as soon as all is sent. */
  readonly vanish?: boolean;
}

/** Sends bytes as they are and reads until the other side closes, or has answered once. */
export async function sendRaw(
  url: string,
  bytes: string | Uint8Array,
  options: RawOptions = {},
): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const closed = once(socket, 'close');
  // A reset is an end like another here: what counts is what came before it.
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    if (isWhole(text)) socket.end();
  });
  socket.write(bytes);
  if (options.end === true) socket.end();
  if (options.vanish === true) socket.resetAndDestroy();
  const timers = (options.later ?? []).map(([ms, more]) =>
    setTimeout(() => socket.writable && socket.write(more), ms),
  );
  await closed;
  timers.forEach(clearTimeout);
  const status = /^HTTP\/1\.1 (\d+) /.exec(text)?.[1];
  return {
    status: status === undefined ? undefined : Number(status),
    text,
    json: bodyOf(text),
  };
}

const isWhole = (text: string): boolean => bodyOf(text) !== undefined;

/** Of the first answer; undefined while it is not all there. */
function bodyOf(text: string): Readonly<Record<string, unknown>> | undefined {
  const length = Number(/^content-length: (\d+)\r$/im.exec(text)?.[1] ?? 0);
  const begin = text.indexOf('\r\n\r\n') + 4;
  const body = Buffer.from(text.slice(begin)).subarray(0, length);
  if (length === 0 || begin < 4 || body.length < length) return undefined;
  return JSON.parse(body.toString()) as Record<string, unknown>;
}
