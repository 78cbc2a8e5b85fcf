import type { Cas, Sequence } from '../../document/types.ts';
import type { RecordKey } from '../records.ts';

/**
 * What one write transaction counts, and remembers of what it read or wrote itself. The counters go
 * back to the file with the transaction's end.
 */
export interface Transaction {
  readonly nowSecs: number;
  seq: number;
  recordCas: number;
  /** Whether `bucket.writing` says that the documents are written by a gateway. */
  writing: boolean;
  /** By record, what `Judgement.function` asks for. */
  readonly records: Map<string, Cas | 'absent'>;
  /** The last of them that was asked for: most changes of a moment are judged by one function. */
  lastRecord: { readonly key: RecordKey; readonly cas: Cas | 'absent' } | undefined;
  /** By principal, what `AccessPrecondition` asks for. */
  readonly accessVersions: Map<string, Sequence>;
}

export function nextSequence(tx: Transaction): Sequence {
  tx.seq += 1;
  return tx.seq as Sequence;
}

export function nextRecordCas(tx: Transaction): Cas {
  tx.recordCas += 1;
  return tx.recordCas as Cas;
}
