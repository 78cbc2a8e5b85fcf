import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { GatewayError } from '../util/errors.ts';
import type { OutgoingRequests } from '../util/outgoing-requests.ts';
import type { ReadText } from './function-places.ts';
import { isUrl } from './function-places.ts';

const BYTES_MAX = 1_048_576;
const TIMEOUT_MS = 10_000;

/**
 * Reads functions from URLs, and from files where folders are named: a path that does not begin
 * with `/` is looked for in each of them, in their order. At most 1 MiB within 10 s.
 */
export function functionReader(
  outgoing: OutgoingRequests,
  folders: readonly string[] = [],
): ReadText {
  return (place) => (isUrl(place) ? readUrl(outgoing, place) : readFrom(folders, place));
}

async function readUrl(outgoing: OutgoingRequests, url: string): Promise<string> {
  const never = new AbortController().signal;
  const limits = { timeoutMs: TIMEOUT_MS, bodyMsMax: TIMEOUT_MS, answerBytesMax: BYTES_MAX };
  try {
    const answer = await outgoing.send({ method: 'GET', url, ...limits }, never);
    if (answer.code !== OK) throw wrong(`it answered ${answer.code}`);
    if (!answer.isWhole) throw wrong(`its answer did not end within ${BYTES_MAX} bytes`);
    return answer.text;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    // NOTE: without its query and credentials, which may be secret.
    const { origin, pathname } = new URL(url);
    throw wrong(`cannot be read from ${origin}${pathname}: ${why}`, cause);
  }
}

/** What a server answers that has the text. */
const OK = 200;

async function readFrom(folders: readonly string[], place: string): Promise<string> {
  const paths = new Set(folders.map((folder) => path.resolve(folder, place)));
  let failure: unknown;
  for (const file of paths) {
    try {
      const about = await stat(file);
      if (!about.isFile()) throw wrong('it is no file');
      if (about.size > BYTES_MAX) throw wrong(`it has more than ${BYTES_MAX} bytes`);
      return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file));
    } catch (cause) {
      failure ??= cause;
    }
  }
  const why = failure instanceof Error ? failure.message : 'no files are read here';
  throw wrong(`cannot be read from the file ${place}: ${why}`, failure);
}

function wrong(reason: string, cause?: unknown): GatewayError {
  return new GatewayError('badRequest', reason, { cause });
}
