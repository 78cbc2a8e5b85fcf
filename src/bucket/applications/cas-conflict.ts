/** The document is not as the caller said that it be: read it again, and decide again. */
export class CasConflict extends Error {
  readonly key: string;
  /** The CAS that it has; `absent` where there is no such document. */
  readonly actual: number | 'absent';

  constructor(key: string, actual: number | 'absent') {
    super(`the document ${key} has changed: its CAS is ${actual}`);
    this.name = 'CasConflict';
    this.key = key;
    this.actual = actual;
  }
}
