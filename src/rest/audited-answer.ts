import type { AuditEventName } from '../observability/audit/audit-events.ts';
import type { Audit, AuditFields } from '../observability/audit/audit.ts';
import type { Answer } from './answer.ts';
import type { AnyHandling, Port, Route } from './route.ts';

/** What the audit log is told of a request that went well. */
export interface Told {
  readonly event: AuditEventName;
  readonly fields?: AuditFields;
  /** Where the path does not name it as one that there is. */
  readonly database?: string;
}

export const REQUEST_EVENTS: Readonly<Record<Port, AuditEventName>> = {
  public: 'publicRequest',
  admin: 'adminRequest',
  metrics: 'metricsRequest',
};

/** Tells what the row of the route says. */
export function tellAnswered(
  audit: Audit,
  { audit: toldOf }: Route,
  { handling, answer }: { readonly handling: AnyHandling; readonly answer: Answer },
): void {
  const { database } = handling;
  for (const { event, fields, database: named } of toldOf(handling, answer))
    audit.tell(event, fields, {
      database: named ?? database?.name,
      options: database?.config.logging.audit,
    });
}

/** The path of a URL, without its query and without ids of sessions, which let in who has them. */
export function auditedPath(url: string): string {
  return (url.split('?', 1)[0] ?? '').replace(/(\/_session\/)[^/]+/u, '$1xxxxx');
}
