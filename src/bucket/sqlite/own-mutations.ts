import type { Sequence } from '../../document/types.ts';
import { distinct } from '../../util/distinct.ts';
import {
  BATCH_MAX,
  type Change,
  type CommitResult,
  type DocumentChange,
  type Mutation,
  type MutationPage,
} from '../bucket.ts';

/** Past so many characters of keys and channels a group is read from the file like others'. */
const CHARS_MAX = 256 * 1024;

/** What became of the calls of a group, as `WriteGroup` gives it. */
type Outcomes = readonly (readonly CommitResult[] | Error)[];

/**
 * What the last group of this process's commits added to the history: for those who have read
 * everything before it, and need not ask the file for what is known. As in the file right after
 * the group, so it is kept only while the group's callers are told.
 */
export class OwnMutations {
  #page: MutationPage | undefined;
  #after = 0 as Sequence;

  /** To be called as soon as the outcomes are known. */
  add(calls: readonly (readonly Change[])[], outcomes: Outcomes): void {
    const told = new ToldGroup();
    this.#page = told.takeAll(calls, outcomes) ? told.page() : undefined;
    if (this.#page === undefined) return;
    this.#after = told.after;
    // After all promises that the outcomes settle were followed.
    process.nextTick(() => {
      this.#page = undefined;
    });
  }

  /** The page that follows on this sequence; undefined where the file must be read. */
  pageAfter(seq: Sequence): MutationPage | undefined {
    return this.#after === seq ? this.#page : undefined;
  }
}

/**
 * The mutations of a group. It gives up where the changes do not tell all: whose access a change of
 * grants or principals touches, and what took a sequence between.
 */
class ToldGroup {
  readonly #mutations: (Mutation | undefined)[] = [];
  #first = 0;
  #superseded = false;
  #chars = 0;

  get after(): Sequence {
    return (this.#first - 1) as Sequence;
  }

  /** Whether everything is told. */
  takeAll(calls: readonly (readonly Change[])[], outcomes: Outcomes): boolean {
    return calls.every((changes, call) => {
      const results = outcomes[call];
      // What failed has changed nothing.
      if (results === undefined || results instanceof Error) return true;
      return changes.every((change, at) => {
        const result = results[at];
        return result === undefined || !result.ok || this.#take(change, result.seq);
      });
    });
  }

  /** Undefined for none, and where there is more than a page holds. */
  page(): MutationPage | undefined {
    const { length } = this.#mutations;
    if (length === 0 || length > BATCH_MAX || this.#chars > CHARS_MAX) return undefined;
    const mutations = this.#superseded
      ? this.#mutations.filter((one) => one !== undefined)
      : (this.#mutations as readonly Mutation[]);
    return { mutations, upTo: (this.#first + length - 1) as Sequence };
  }

  #take(change: Change, seq: Sequence): boolean {
    if (change.kind === 'document') return this.#document(change, seq);
    if (change.kind !== 'batch') return seq === 0 && change.kind !== 'purge';
    // A batch tells the last of its sequences.
    const taking = change.changes.filter(({ kind }) => TAKES_SEQUENCE.has(kind));
    return taking.every((each, at) => {
      const eachSeq = (seq - (taking.length - 1 - at)) as Sequence;
      return each.kind === 'document' && this.#document(each, eachSeq);
    });
  }

  #document(change: DocumentChange, seq: Sequence): boolean {
    const { collection, key, ifCas, rev, flags, channels: moved } = change;
    if (change.grants !== undefined) return false;
    if (this.#first === 0) this.#first = seq;
    if (seq !== this.#first + this.#mutations.length) return false;
    // The CAS of a state of the group's own is its sequence.
    if (ifCas !== 'absent' && ifCas >= this.#first) {
      this.#mutations[ifCas - this.#first] = undefined;
      this.#superseded = true;
    }
    const channels = distinct(moved.in.map(({ channel }) => channel));
    const removed = distinct(
      moved.out.map(({ channel }) => channel),
      channels,
    );
    this.#mutations.push({ kind: 'document', seq, collection, key, rev, flags, channels, removed });
    this.#chars += key.length;
    for (const { length } of channels) this.#chars += length;
    for (const { length } of removed) this.#chars += length;
    return true;
  }
}

const TAKES_SEQUENCE: ReadonlySet<Change['kind']> = new Set<Change['kind']>([
  'document',
  'principal',
  'purge',
  'rejection',
]);
