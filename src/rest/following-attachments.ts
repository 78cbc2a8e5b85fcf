import type { StoredAttachment } from '../bucket/bucket.ts';
import type { AttachmentsInput, FollowingAttachment } from '../document/attachments-input.ts';
import { GatewayError } from '../util/errors.ts';

/** Attachments that may follow one document. */
const FOLLOWING_MAX = 1000;

/** The attachments that a document announced, while their bytes come in later parts. */
export class FollowingAttachments {
  readonly #announced = new Map<string, FollowingAttachment>();
  readonly #stored = new Map<string, StoredAttachment>();

  /** Throws `badRequest` where too many are announced. */
  constructor(attachments: AttachmentsInput | undefined) {
    for (const [name, attachment] of Object.entries(attachments ?? {}))
      if (attachment.kind === 'follows') this.#announced.set(name, attachment);
    if (this.#announced.size > FOLLOWING_MAX)
      throw new GatewayError('badRequest', `at most ${FOLLOWING_MAX} attachments may follow`);
  }

  /**
   * Those that a part of this file name may be: the one of that name, else all whose bytes have not
   * come. Throws `badRequest` where there are none.
   */
  candidates(fileName: string | undefined): readonly FollowingAttachment[] {
    const named = this.#named(fileName);
    if (fileName !== undefined && this.#stored.has(fileName))
      throw new GatewayError('badRequest', 'an attachment came twice');
    const open = named === undefined ? this.#missing().map(([, one]) => one) : [named];
    if (open.length === 0)
      throw new GatewayError('badRequest', 'a part holds an attachment that was not announced');
    return open;
  }

  /** The bytes of a part are stored. Throws `badRequest` where they are not what was announced. */
  add(fileName: string | undefined, stored: StoredAttachment): void {
    const name = this.#named(fileName) === undefined ? this.#nameOf(stored) : fileName;
    const announced = name === undefined ? undefined : this.#announced.get(name);
    if (name === undefined || announced === undefined)
      throw new GatewayError('badRequest', 'a part is none of the attachments that should follow');
    if (announced.digest !== stored.digest || announced.length !== stored.length)
      throw new GatewayError(
        'badRequest',
        `attachment ${JSON.stringify(name)} has not the digest and the length that were announced`,
      );
    this.#stored.set(name, stored);
  }

  /**
   * All of them, by name; those with the same bytes may share a part. Throws `badRequest` where one
   * is missing.
   */
  complete(): ReadonlyMap<string, StoredAttachment> {
    const byDigest = new Map(
      Array.from(this.#stored.values(), (stored) => [stored.digest, stored]),
    );
    for (const [name, { digest, length }] of this.#missing()) {
      const same = byDigest.get(digest);
      if (same === undefined || same.length !== length)
        throw new GatewayError('badRequest', `attachment ${JSON.stringify(name)} did not follow`);
      this.#stored.set(name, same);
    }
    return this.#stored;
  }

  #named(fileName: string | undefined): FollowingAttachment | undefined {
    return fileName === undefined ? undefined : this.#announced.get(fileName);
  }

  #missing(): readonly (readonly [name: string, announced: FollowingAttachment])[] {
    return [...this.#announced].filter(([name]) => !this.#stored.has(name));
  }

  #nameOf({ digest }: StoredAttachment): string | undefined {
    return this.#missing().find(([, announced]) => announced.digest === digest)?.[0];
  }
}
