import type { Bucket, StoredAttachment } from '../bucket/bucket.ts';
import type { AttachmentsInput, InlineAttachment } from '../document/attachments-input.ts';
import { completeAttachments, mergeAttachments } from '../document/attachments-merge.ts';
import type { SyncMetadata } from '../document/sync-metadata.ts';
import { allDigests } from '../document/sync-metadata.ts';
import type { Attachments, Digest } from '../document/types.ts';
import { GatewayError } from '../util/errors.ts';

const NONE: ReadonlyMap<Digest, number> = new Map();

/** The bytes of one request, stored once however often its change is judged. */
export class RequestAttachments {
  readonly #bucket: Bucket;
  readonly #lengthMax: number;
  /** By name; what a multipart request or an attachment's URL brought is there from the start. */
  #stored: ReadonlyMap<string, StoredAttachment> | undefined;

  constructor(options: {
    readonly bucket: Bucket;
    /** Bytes of one attachment. */
    readonly lengthMax: number;
    readonly stored: ReadonlyMap<string, StoredAttachment> | undefined;
  }) {
    this.#bucket = options.bucket;
    this.#lengthMax = options.lengthMax;
    this.#stored = options.stored;
  }

  /**
   * The attachments of a new revision of this generation, their bytes in the bucket. Throws
   * `badRequest` for a stub of something that the document has not, `tooLarge`.
   */
  async settle(
    input: AttachmentsInput | undefined,
    revision: {
      readonly parent: Attachments;
      readonly generation: number;
      readonly metadata: SyncMetadata | undefined;
    },
  ): Promise<Attachments> {
    if (input === undefined) return {};
    const { metadata } = revision;
    const ownDigests = metadata === undefined ? NONE : allDigests(metadata);
    const plan = mergeAttachments(input, { ...revision, ownDigests });
    const stored = new Map(this.#stored);
    for (const [name, inline] of plan.inline)
      stored.set(name, await this.#storeInline(name, inline));
    for (const [name, { digest }] of plan.claimed) {
      const found = await this.#bucket.getAttachment(digest);
      if (found === undefined)
        throw new GatewayError(
          'badRequest',
          `attachment ${JSON.stringify(name)} is a stub of something that is not kept any more`,
        );
      stored.set(name, { digest, length: found.length });
    }
    for (const name of plan.following.keys())
      if (!stored.has(name))
        throw new GatewayError(
          'badRequest',
          `attachment ${JSON.stringify(name)} is said to follow, but the request has no such part`,
        );
    return completeAttachments(plan, stored);
  }

  async #storeInline(name: string, { data }: InlineAttachment): Promise<StoredAttachment> {
    const known = this.#stored?.get(name);
    if (known !== undefined) return known;
    const stored = await this.#bucket.putAttachment(one(data), { lengthMax: this.#lengthMax });
    this.#stored = new Map(this.#stored).set(name, stored);
    return stored;
  }
}

async function* one(data: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(data);
}
