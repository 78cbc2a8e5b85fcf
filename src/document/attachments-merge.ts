import { GatewayError } from '../util/errors.ts';
import type {
  AttachmentsInput,
  FollowingAttachment,
  InlineAttachment,
  StubAttachment,
} from './attachments-input.ts';
import type { AttachmentStub, Attachments, Digest } from './types.ts';

/** What becomes of the attachments that a client named: which are settled, and which need bytes. */
export interface AttachmentPlan {
  /** The parent's, as they are. */
  readonly kept: Attachments;
  /** To be stored; `completeAttachments` wants their digests and lengths. */
  readonly inline: ReadonlyMap<string, InlineAttachment>;
  /** Bytes of later parts of the request, to be matched by digest and length. */
  readonly following: ReadonlyMap<string, FollowingAttachment>;
  /** Bytes that another kept revision of this document has; their lengths are wanted. */
  readonly claimed: ReadonlyMap<string, StubAttachment & { readonly digest: Digest }>;
  readonly generation: number;
}

export interface MergeContext {
  /** Of the revision that is extended; empty for a new document. */
  readonly parent: Attachments;
  /** Of the new revision: the `revpos` of what it brings. */
  readonly generation: number;
  /**
   * What this document refers to in any kept revision (`allDigests`). A digest alone must not give
   * access to the bytes of another document.
   */
  readonly ownDigests: Pick<ReadonlySet<Digest>, 'has'>;
}

/**
 * Settles the stubs of a new revision. What the parent has and the input does not name is dropped.
 * Throws `badRequest` for a stub of something that this document has not. protocol.md §7.
 */
export function mergeAttachments(
  input: AttachmentsInput | undefined,
  context: MergeContext,
): AttachmentPlan {
  const kept: [string, AttachmentStub][] = [];
  const inline = new Map<string, InlineAttachment>();
  const following = new Map<string, FollowingAttachment>();
  const claimed = new Map<string, StubAttachment & { readonly digest: Digest }>();
  for (const [name, attachment] of Object.entries(input ?? {})) {
    if (attachment.kind === 'data') inline.set(name, attachment);
    else if (attachment.kind === 'follows') following.set(name, attachment);
    else {
      const { digest } = attachment;
      const stub = findAttachment(context.parent, name);
      if (stub !== undefined && (digest === undefined || digest === stub.digest)) {
        kept.push([name, stub]);
      } else if (digest !== undefined && context.ownDigests.has(digest)) {
        claimed.set(name, { ...attachment, digest });
      } else throw unknownStub(name);
    }
  }
  const { generation } = context;
  return { kept: Object.fromEntries(kept), inline, following, claimed, generation };
}

/**
 * The attachments of the new revision. `stored`: digest and length of what the plan had to be
 * stored or looked up, by name.
 */
export function completeAttachments(
  plan: AttachmentPlan,
  stored: ReadonlyMap<string, { readonly digest: Digest; readonly length: number }>,
): Attachments {
  const { generation } = plan;
  const entries: [string, AttachmentStub][] = Object.entries(plan.kept);
  for (const [name, about] of [...plan.inline, ...plan.following, ...plan.claimed]) {
    const bytes = stored.get(name);
    if (bytes === undefined) throw unknownStub(name);
    const told = about.kind === 'stub' ? about.revpos : undefined;
    entries.push([
      name,
      {
        digest: bytes.digest,
        length: bytes.length,
        // A revision cannot have something from after itself.
        revpos: told !== undefined && told > 0 && told < generation ? told : generation,
        ...(about.content_type === undefined ? {} : { content_type: about.content_type }),
        ...(about.encoding === undefined ? {} : { encoding: about.encoding }),
      },
    ]);
  }
  return Object.fromEntries(entries);
}

/** By name, which may be any string, such as `constructor`. */
export function findAttachment(attachments: Attachments, name: string): AttachmentStub | undefined {
  return Object.hasOwn(attachments, name) ? attachments[name] : undefined;
}

function unknownStub(name: string): GatewayError {
  return new GatewayError(
    'badRequest',
    `Attachment ${JSON.stringify(name)} is a stub of something that the document does not have`,
  );
}
