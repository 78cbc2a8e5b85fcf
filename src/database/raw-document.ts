import { createHmac } from 'node:crypto';
import { scanObject } from '../document/json-scanner.ts';
import { rawMetadata } from '../document/raw-metadata.ts';
import type { DocId } from '../document/types.ts';
import { crc32c } from '../util/crc32c.ts';
import type { CollectionContext } from './collection-context.ts';
import { loadVisible } from './load-imported.ts';

export interface RawOptions {
  readonly includeDoc: boolean;
  /** Hides names behind hashes that this key makes; undefined: names are told. */
  readonly hashKey?: string;
}

/**
 * A document with the gateway's own part of it beside the body, as JSON text: for administrators
 * who look for the reason of something. Throws `missing`.
 */
export async function rawDocument(
  context: CollectionContext,
  id: DocId,
  { includeDoc, hashKey }: RawOptions,
): Promise<string> {
  const current = await loadVisible(context, id);
  const grants = await context.bucket.grantsOf(context.id, id);
  const xattrs = rawMetadata(
    {
      ...current,
      grants: grants.flatMap(({ kind, ...grant }) =>
        kind === 'exists' ? [] : [{ ...grant, kind }],
      ),
      cas: hex(BigInt.asUintN(64, BigInt(current.cas)), CAS_DIGITS),
      bodyChecksum: hex(crc32c(Buffer.from(current.body ?? '')), CHECKSUM_DIGITS),
      origin: context.bucket.uuid,
    },
    hashKey === undefined ? (name) => name : (name) => hidden(name, hashKey),
  );
  return withMember(includeDoc ? current.body : null, `"_xattrs":${JSON.stringify(xattrs)}`);
}

const CAS_DIGITS = 16;
const CHECKSUM_DIGITS = 8;
const HASH_DIGITS = 40;

const hex = (value: number | bigint, digits: number): string =>
  `0x${value.toString(16).padStart(digits, '0')}`;

const hidden = (name: string, key: string): string =>
  createHmac('sha256', key).update(name).digest('hex').slice(0, HASH_DIGITS);

/** The object with a member more; of its own nothing is respelled. */
function withMember(body: string | null, member: string): string {
  if (body === null) return `{${member}}`;
  const { text, start, end, members } = scanObject(body);
  const separator = members.length === 0 ? '' : ',';
  return `${text.slice(start, end - 1)}${separator}${member}}`;
}
