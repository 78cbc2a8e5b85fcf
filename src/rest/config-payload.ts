import { isJsonObject, objectAt } from '../config/check-table.ts';
import { redactedConfig } from '../config/config-answer.ts';
import type { Told } from './audited-answer.ts';

/** What was sent of a configuration, as text, with secrets hidden. */
export function configPayload(body: unknown): string {
  return JSON.stringify(isJsonObject(body) ? redactedConfig(body) : {});
}

/** The configuration of a database was changed by this. */
export function configUpdated(body: unknown): readonly Told[] {
  const payload = configPayload(body);
  const isOfAudit = isJsonObject(body) && 'audit' in objectAt(body, 'logging');
  return [
    { event: 'updateDatabaseConfig', fields: { payload } },
    ...(isOfAudit ? auditChanged(objectAt(body, 'logging', 'audit')) : []),
  ];
}

/** What is audited was changed by this. */
export function auditChanged(body: unknown): readonly Told[] {
  const fields = { audit_scope: 'db', payload: JSON.stringify(body) };
  return [{ event: 'auditingChanged', fields }];
}
