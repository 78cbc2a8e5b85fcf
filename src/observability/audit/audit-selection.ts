import type { AuditEvent } from './audit-event.ts';
import { auditEventsOf } from './audit-events.ts';

/** Which events are told: `logging.audit`. */
export interface AuditOptions {
  readonly enabled: boolean;
  /** Ids; undefined: those that are told by default. */
  readonly enabled_events: readonly number[] | undefined;
}

/** `sgw`: of the database; `cbs`: of a Couchbase Server, which nobody is here. */
export interface AuditedPrincipal {
  readonly domain: 'sgw' | 'cbs';
  readonly name: string;
}

export interface DatabaseAuditOptions extends AuditOptions {
  /** Of what they do nothing is told. */
  readonly disabled_users: readonly AuditedPrincipal[];
  /** The same for everybody who has one of these roles. */
  readonly disabled_roles: readonly AuditedPrincipal[];
}

/** Who did what is told. */
export interface AuditSender {
  /** `sgw`: a user of the database; `admin`: whoever may reach the admin interface. */
  readonly domain: 'sgw' | 'admin';
  /** `GUEST` for who brings no credentials. */
  readonly user: string;
  /** By name, those that a user has. */
  readonly roles: ReadonlyMap<string, unknown>;
}

/** The ids that the options switch on, whether or not the whole of it is. */
export function selectedIds(
  { enabled_events: ids }: Pick<AuditOptions, 'enabled_events'>,
  scope: AuditEvent['scope'],
): ReadonlySet<number> {
  const named = ids === undefined ? undefined : new Set(ids);
  const isOn = ({ id, isDefault, isFilterable }: AuditEvent): boolean =>
    !isFilterable || (named === undefined ? isDefault : named.has(id));
  return new Set(auditEventsOf(scope).flatMap((event) => (isOn(event) ? [event.id] : [])));
}

/** What of a database, or of the gateway, is told. Made once for each configuration. */
export class AuditSelection {
  readonly enabled: boolean;
  readonly #ids: ReadonlySet<number>;
  readonly #users: ReadonlySet<string>;
  readonly #roles: ReadonlySet<string>;

  constructor(
    options: AuditOptions & Partial<DatabaseAuditOptions>,
    scope: AuditEvent['scope'] = 'database',
  ) {
    this.enabled = options.enabled;
    this.#ids = options.enabled ? selectedIds(options, scope) : new Set();
    this.#users = namesOf(options.disabled_users);
    this.#roles = namesOf(options.disabled_roles);
  }

  has(id: number): boolean {
    return this.#ids.has(id);
  }

  /** Why nothing is told of what this sender does; undefined: it is told. */
  filters({ domain, user, roles }: AuditSender): 'user' | 'role' | undefined {
    if (domain !== 'sgw') return undefined;
    if (this.#users.has(user)) return 'user';
    for (const role of this.#roles) if (roles.has(role)) return 'role';
    return undefined;
  }
}

function namesOf(principals: readonly AuditedPrincipal[] = []): ReadonlySet<string> {
  return new Set(principals.flatMap(({ domain, name }) => (domain === 'sgw' ? [name] : [])));
}
