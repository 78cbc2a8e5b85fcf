/** The attachments of a document before and after a write, by name. */
export interface ChangedAttachments {
  readonly before: Stubs;
  readonly after: Stubs;
}

type Stubs = Readonly<
  Record<string, { readonly digest: string; readonly content_type?: string | undefined }>
>;

type AttachmentEvent = 'createAttachment' | 'updateAttachment' | 'deleteAttachment';

/** What a write did to the attachments of a document, each with its name. */
export function* changedAttachments({
  before,
  after,
}: ChangedAttachments): Generator<readonly [event: AttachmentEvent, name: string]> {
  for (const [name, stub] of Object.entries(after)) {
    const old = Object.hasOwn(before, name) ? before[name] : undefined;
    if (old === undefined) yield ['createAttachment', name];
    else if (old.digest !== stub.digest || old.content_type !== stub.content_type)
      yield ['updateAttachment', name];
  }
  for (const name of Object.keys(before))
    if (!Object.hasOwn(after, name)) yield ['deleteAttachment', name];
}
