import { readFile, stat } from 'node:fs/promises';
import { GatewayError } from '../util/errors.ts';

const FILE_BYTES_MAX = 64 * 1_048_576;

/** The text of a configuration file. Throws `badRequest` where there is none that can be read. */
export async function readConfigFile(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size > FILE_BYTES_MAX) {
      throw new GatewayError('badRequest', `it has more than ${FILE_BYTES_MAX} bytes`);
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new GatewayError('badRequest', `cannot read the configuration file ${path}: ${why}`, {
      cause,
    });
  }
}
