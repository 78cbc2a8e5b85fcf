/** Something that an audit log tells, described once: ids and names are the reference's. */
export interface AuditEvent {
  readonly id: number;
  readonly name: string;
  readonly description: string;
  /**
   * `global`: of the gateway, chosen in its start-up configuration; `database`: chosen by each
   * database.
   */
  readonly scope: 'global' | 'database';
  /** What administrators do, what users do, what becomes of data. */
  readonly type: 'admin' | 'user' | 'data';
  /** Whether it is told where nothing else is configured. */
  readonly isDefault: boolean;
  /** Whether it may be switched off. */
  readonly isFilterable: boolean;
  /** What its lines may have beside what every line has. */
  readonly fields: readonly string[];
  /** False: nothing of this version tells it; its id is accepted. */
  readonly isTold: boolean;
}

const USUAL = { isDefault: true, isFilterable: true, isTold: true } as const;

export const GLOBAL_ADMIN = { ...USUAL, scope: 'global', type: 'admin' } as const;
export const GLOBAL_USER = { ...USUAL, scope: 'global', type: 'user' } as const;
export const ADMIN = { ...USUAL, scope: 'database', type: 'admin' } as const;
export const USER = { ...USUAL, scope: 'database', type: 'user' } as const;
export const DATA = { ...USUAL, scope: 'database', type: 'data' } as const;
