import type { Cas } from '../document/types.ts';

/** `kind` groups records (`session`, `local`, `config` …), `database` may be ``. */
export interface RecordKey {
  readonly kind: string;
  readonly database: string;
  readonly id: string;
}

export interface StoredRecord {
  readonly key: RecordKey;
  readonly cas: Cas;
  readonly value: string;
  readonly expiry: number;
}

export interface RecordRange {
  readonly kind: string;
  readonly database: string;
  readonly after?: string;
  readonly limit: number;
}
