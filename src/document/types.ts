/** The identifiers of the document model. Each is made in one place, where it is checked. */

/** 1 to 250 bytes of UTF-8 that do not start with `_`; made by `parseDocId`. */
export type DocId = string & { readonly __brand: 'DocId' };

/** `generation-digest`, such as `3-c8ec7e97…`; made by `parseRevId` and `createRevId`. */
export type RevId = string & { readonly __brand: 'RevId' };

/**
 * A position in a bucket's one history: 1, 2, 3 … without gaps that a reader must wait for; 0 is
 * before all.
 */
export type Sequence = number & { readonly __brand: 'Sequence' };

/** The version stamp of a stored document or record; compared only for equality. */
export type Cas = number & { readonly __brand: 'Cas' };

/** `sha1-` and the base64 of the SHA-1 of an attachment's bytes. */
export type Digest = string & { readonly __brand: 'Digest' };

/**
 * What the metadata says of one attachment of a revision. `length` in bytes; `revpos` is the
 * generation that brought it.
 */
export interface AttachmentStub {
  readonly digest: Digest;
  readonly length: number;
  readonly revpos: number;
  readonly content_type?: string;
  readonly encoding?: string;
}

/** By attachment name. */
export type Attachments = Readonly<Record<string, AttachmentStub>>;

export const sequence = (value: number): Sequence => value as Sequence;
export const ZERO = sequence(0);
