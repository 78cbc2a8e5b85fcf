import type { AuditSender } from '../observability/audit/audit-selection.ts';
import type { Reader } from './access.ts';

/** The reference's name of who brings no credentials. */
const GUEST = 'GUEST';

/** Nobody is asked who they are on the admin interface. */
const ADMIN: AuditSender = { domain: 'admin', user: '', roles: new Map() };

/** A reader as the audit log tells of it. */
export function auditedReader(reader: Reader): AuditSender {
  if (reader.kind === 'admin') return ADMIN;
  const { name, roles } = reader.access;
  return { domain: 'sgw', user: name === '' ? GUEST : name, roles };
}
