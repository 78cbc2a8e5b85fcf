import { createHash } from 'node:crypto';
import type { HeldDocument } from '../helpers/document-watch.ts';
import type { Fields, Store } from '../helpers/pouch.ts';

/** A document as it should be in the end: each has one writer at a time, who knows it. */
export interface Photo {
  readonly id: string;
  readonly rev: string;
  readonly channels: readonly string[];
  readonly version: number;
  readonly bytes: Buffer;
}

const PHOTO = 'photo.bin';

/** Its bytes follow from its id and version: a few bytes, some kilobytes, now and then many. */
function photoBytes(id: string, version: number): Buffer {
  const seed = createHash('sha256').update(`${id}/${version}`).digest();
  const length = seed[0] === 0 ? 300_000 : seed.readUInt16LE(1) % 6_000;
  return Buffer.concat(
    Array.from({ length: Math.ceil(length / seed.length) }, () => seed),
  ).subarray(0, length);
}

/** The document that a client writes. */
export function photoDocument(photo: Omit<Photo, 'rev' | 'bytes'>): Fields {
  const { id, channels, version } = photo;
  const data = photoBytes(id, version);
  return {
    _id: id,
    channels,
    version,
    _attachments: { [PHOTO]: { content_type: 'application/octet-stream', data } },
  };
}

/** Who may see what, and what it should be. */
export class PhotoModel {
  readonly #photos = new Map<string, Photo>();

  put(written: Omit<Photo, 'bytes'>): void {
    this.#photos.set(written.id, { ...written, bytes: photoBytes(written.id, written.version) });
  }

  remove(id: string): void {
    this.#photos.delete(id);
  }

  get(id: string): Photo {
    const photo = this.#photos.get(id);
    if (photo === undefined) throw new Error(`no document ${id}`);
    return photo;
  }

  /** What holds in one of these channels; everything where none are given. */
  visible(channels?: readonly string[]): readonly Photo[] {
    return [...this.#photos.values()].filter(
      (photo) =>
        channels === undefined || photo.channels.some((channel) => channels.includes(channel)),
    );
  }
}

/** Whether a store has exactly these revisions. */
export function holdsExactly(
  photos: readonly Photo[],
): (held: ReadonlyMap<string, HeldDocument>) => boolean {
  return (held) =>
    held.size === photos.length && photos.every(({ id, rev }) => held.get(id)?.rev === rev);
}

/** Everything that a store answers about its documents, to compare: bytes as their digest. */
export async function contents(store: Store): Promise<readonly Fields[]> {
  const { rows } = await store.allDocs();
  const docs = rows.map(({ id, value }) => ({ id, rev: value.rev }));
  const { results } = await store.bulkGet({ docs, attachments: true, binary: true });
  return results
    .flatMap(({ docs: [first] }) => first?.ok ?? [])
    .filter(({ channels }) => channels !== undefined)
    .map(({ _id: id, _rev: rev, channels, version, _attachments: attachments }) => {
      const { data } = (attachments as Record<string, { data?: Buffer }>)[PHOTO] ?? {};
      return { id, rev, channels, version, photo: data === undefined ? undefined : digest(data) };
    })
    .toSorted(byId);
}

/** The same of what should be. */
export function expectedContents(photos: readonly Photo[]): readonly Fields[] {
  return photos.map(({ bytes, ...rest }) => ({ ...rest, photo: digest(bytes) })).toSorted(byId);
}

function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : 1;
}

function digest(data: Buffer): string {
  return `${data.length} ${createHash('sha256').update(data).digest('hex')}`;
}
