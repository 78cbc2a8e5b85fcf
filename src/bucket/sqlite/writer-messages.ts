import type { Digest, DocId } from '../../document/types.ts';
import type { ErrorTag } from '../../util/errors.ts';
import type { CollectionId, CommitResult } from '../bucket.ts';
import type { LeaseChange } from '../leases.ts';
import type { PackedCalls } from './packed-changes.ts';
import type { WriterOptions } from './writer.ts';

/** What the main thread asks of the writing thread; each request gets one answer, in order. */
export type WriterRequest =
  | {
      readonly kind: 'commit';
      readonly calls: PackedCalls;
      readonly nowSecs: number;
    }
  | { readonly kind: 'openCollection'; readonly name: string }
  | {
      readonly kind: 'addChunk';
      readonly upload: number;
      readonly bytes: Uint8Array;
      readonly first: boolean;
      readonly nowSecs: number;
    }
  | {
      readonly kind: 'finishUpload';
      readonly upload: number;
      readonly bytes: Uint8Array;
      readonly first: boolean;
      readonly nowSecs: number;
    }
  | {
      readonly kind: 'keepAttachments';
      readonly digests: readonly Digest[];
      readonly nowSecs: number;
    }
  | { readonly kind: 'discardUpload'; readonly upload: number }
  | { readonly kind: 'removeExpired'; readonly nowSecs: number; readonly graceSecs: number }
  | {
      readonly kind: 'setAside';
      readonly positions: readonly number[];
      readonly reason: string;
    }
  | {
      readonly kind: 'queueRejected';
      readonly collection: CollectionId;
      readonly which: { readonly after?: DocId | undefined; readonly unfit: boolean };
    }
  | { readonly kind: 'mendForeignWrites' | 'recheckForeignWrites' }
  | { readonly kind: 'changeLease'; readonly change: LeaseChange }
  | { readonly kind: 'close' };

/** An error as it crosses threads; without `tag` it is a bug's. */
export interface WireError {
  readonly tag?: ErrorTag;
  readonly message: string;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly stack?: string;
}

export type WireOutcome =
  | { readonly results: readonly CommitResult[] }
  | { readonly failure: WireError };

/** `value` is that of the method of `Writer`; of `commit`, `PackedOutcomes`. */
export type WriterAnswer =
  | readonly [id: number, value: unknown]
  | readonly [id: number, value: undefined, error: WireError];

/** The first answer of the thread, to no request: the file is open. */
export interface WriterOpened {
  readonly uuid: string;
  /** As in `Writer`. */
  readonly mended: readonly string[];
}

export type WriterEnvelope = readonly [
  id: number,
  /** When it was asked, by `sharedNowMs`. */
  askedMs: number,
  request: WriterRequest,
];

export type WriterThreadData = WriterOptions;
