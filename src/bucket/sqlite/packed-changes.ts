import { must } from '../../util/assert.ts';
import type { BatchChange } from '../batch-change.ts';
import type { Change, ChannelEntry, DocumentChange } from '../bucket.ts';
import type { Cas, Sequence } from '../../document/types.ts';

/**
 * Changes on their way to the writing thread. What every change of a document has goes as lists of
 * texts and numbers: to copy a list between threads costs a third of what copying objects does,
 * whose properties are named each time (`bench/micro/packed-changes.ts`).
 */
export type PackedCalls = readonly [
  texts: readonly (string | null)[],
  /** Whole ones: a list with a fraction in it costs more. */
  numbers: readonly number[],
  /** What few changes of documents have, and changes of other kinds. */
  objects: readonly object[],
];

const DOCUMENT = 0;
const BATCH = 1;
const OTHER = 2;
/** In place of the index of an object: there is none. */
const NONE = -1;
/** Bits of a number. */
const MUST_BE_ABSENT = 1;
const KEEPS_BODY = 2;

/** What only some changes of documents have. */
const EXTRAS = ['access', 'xattrCrc', 'grants', 'keepBodies', 'dropBodies', 'attachments'] as const;
type Extras = Partial<Pick<DocumentChange, (typeof EXTRAS)[number]>>;
type UnpackedDocument = { -readonly [K in keyof DocumentChange]: DocumentChange[K] };
type FunctionVersion = NonNullable<DocumentChange['function']>;
type Lease = NonNullable<DocumentChange['lease']>;

/** Packs calls of `Bucket.commit`. */
export function packCalls(calls: readonly (readonly Change[])[]): PackedCalls {
  const packer = new Packer();
  packer.numbers.push(calls.length);
  for (const changes of calls) packer.list(changes);
  const { texts, numbers, objects } = packer;
  return [texts, numbers, objects];
}

/** What was packed. */
export function unpackCalls(packed: PackedCalls): readonly (readonly Change[])[] {
  const unpacker = new Unpacker(packed);
  const calls: (readonly Change[])[] = [];
  for (let left = unpacker.number(); left > 0; left--) calls.push(unpacker.list());
  return calls;
}

class Packer {
  readonly texts: (string | null)[] = [];
  readonly numbers: number[] = [];
  readonly objects: object[] = [];
  /** Most changes of a moment are judged by one function, and made under one lease. */
  #function: FunctionVersion | undefined;
  #functionAt = NONE;
  #lease: Lease | undefined;
  #leaseAt = NONE;

  list(changes: readonly Change[]): void {
    this.numbers.push(changes.length);
    for (const change of changes) this.#change(change);
  }

  #change(change: Change): void {
    if (change.kind === 'document') this.#document(change);
    else if (change.kind === 'batch') {
      const { changes, ...batch } = change;
      this.numbers.push(BATCH, this.#object(batch));
      this.list(changes);
    } else this.numbers.push(OTHER, this.#object(change));
  }

  #document(change: DocumentChange): void {
    const { collection, key, ifCas, body, expiry, rev, flags, metadata, channels } = change;
    this.texts.push(key, rev, metadata, body);
    this.numbers.push(
      DOCUMENT,
      collection,
      ifCas === 'absent' ? 0 : ifCas,
      (ifCas === 'absent' ? MUST_BE_ABSENT : 0) | (change.keepsBody === true ? KEEPS_BODY : 0),
      expiry,
      flags,
      this.#functionIndex(change.function),
      this.#leaseIndex(change.lease),
      this.#extrasIndex(change),
    );
    this.#entries(channels.in);
    this.#entries(channels.out);
  }

  #entries(entries: readonly ChannelEntry[]): void {
    this.numbers.push(entries.length);
    for (const { channel, replaces } of entries) {
      this.texts.push(channel);
      this.numbers.push(replaces);
    }
  }

  #object(object: object): number {
    return this.objects.push(object) - 1;
  }

  #functionIndex(version: FunctionVersion | undefined): number {
    if (version === undefined) return NONE;
    const { record, cas } = version;
    if (this.#function?.record !== record || this.#function.cas !== cas) {
      this.#function = version;
      this.#functionAt = this.#object(version);
    }
    return this.#functionAt;
  }

  #leaseIndex(lease: Lease | undefined): number {
    if (lease === undefined) return NONE;
    if (lease !== this.#lease) {
      this.#lease = lease;
      this.#leaseAt = this.#object(lease);
    }
    return this.#leaseAt;
  }

  #extrasIndex(change: DocumentChange): number {
    if (EXTRAS.every((name) => change[name] === undefined)) return NONE;
    const some = EXTRAS.filter((name) => change[name] !== undefined);
    return this.#object(Object.fromEntries(some.map((name) => [name, change[name]])));
  }
}

class Unpacker {
  readonly #texts: PackedCalls[0];
  readonly #numbers: PackedCalls[1];
  readonly #objects: PackedCalls[2];
  #textAt = 0;
  #numberAt = 0;

  constructor([texts, numbers, objects]: PackedCalls) {
    this.#texts = texts;
    this.#numbers = numbers;
    this.#objects = objects;
  }

  number(): number {
    return must(this.#numbers[this.#numberAt++], 'as many numbers as were packed');
  }

  list(): readonly Change[] {
    const changes: Change[] = [];
    for (let left = this.number(); left > 0; left--) changes.push(this.#change());
    return changes;
  }

  #change(): Change {
    const kind = this.number();
    if (kind === DOCUMENT) return this.#document();
    const object = must(this.#object(), 'it was packed');
    if (kind === OTHER) return object as Change;
    const changes = this.list() as BatchChange['changes'];
    return { ...(object as Omit<BatchChange, 'changes'>), changes };
  }

  #document(): DocumentChange {
    const key = this.#text() as DocumentChange['key'];
    const rev = this.#text() as DocumentChange['rev'];
    const metadata = this.#text();
    const body = this.#texts[this.#textAt++] ?? null;
    const collection = this.number() as DocumentChange['collection'];
    const cas = this.number() as Cas;
    const bits = this.number();
    const expiry = this.number();
    const flags = this.number();
    const version = this.#object() as FunctionVersion | undefined;
    const lease = this.#object() as Lease | undefined;
    const extras: Extras | undefined = this.#object();
    const change: UnpackedDocument = {
      kind: 'document',
      collection,
      key,
      ifCas: (bits & MUST_BE_ABSENT) === 0 ? cas : 'absent',
      body,
      expiry,
      rev,
      flags,
      metadata,
      channels: { in: this.#entries(), out: this.#entries() },
    };
    if ((bits & KEEPS_BODY) !== 0) change.keepsBody = true;
    if (version !== undefined) change.function = version;
    if (lease !== undefined) change.lease = lease;
    return extras === undefined ? change : Object.assign(change, extras);
  }

  #entries(): readonly ChannelEntry[] {
    const entries: ChannelEntry[] = [];
    const length = this.number();
    for (let at = 0; at < length; at++)
      entries.push({ channel: this.#text(), replaces: this.number() as Sequence });
    return entries;
  }

  #text(): string {
    return must(this.#texts[this.#textAt++] ?? undefined, 'as many texts as were packed');
  }

  /** That of the next index; undefined for none. */
  #object(): object | undefined {
    return this.#objects[this.number()];
  }
}
