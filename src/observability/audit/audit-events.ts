import type { AuditEvent } from './audit-event.ts';
import { DATABASE_EVENTS } from './database-events.ts';
import { DOCUMENT_EVENTS } from './document-events.ts';
import { GATEWAY_EVENTS } from './gateway-events.ts';

/** Every event of the audit log: checks, answers and `docs/audit-events.md` come from it. */
export const AUDIT_EVENTS = { ...GATEWAY_EVENTS, ...DATABASE_EVENTS, ...DOCUMENT_EVENTS } as const;

export type AuditEventName = keyof typeof AUDIT_EVENTS;

const BY_ID: ReadonlyMap<number, AuditEvent> = new Map(
  Object.values<AuditEvent>(AUDIT_EVENTS).map((event) => [event.id, event]),
);

/** Undefined where there is none of that id. */
export function auditEvent(id: number): AuditEvent | undefined {
  return BY_ID.get(id);
}

/** All of a scope, in the order of their ids. */
export function auditEventsOf(scope: AuditEvent['scope']): readonly AuditEvent[] {
  return [...BY_ID.values()].filter((event) => event.scope === scope);
}
