import path from 'node:path';
import type { AuditOptions } from '../observability/audit/audit-selection.ts';
import type { Rotation } from '../observability/audit/rotating-file.ts';
import { must } from '../util/assert.ts';
import type { Values } from './option.ts';
import type { STARTUP_AUDIT } from './audit-options.ts';

export interface AuditFileSettings {
  readonly options: AuditOptions;
  /** Of the file. */
  readonly path: string;
  readonly rotation: Rotation;
}

const FILE_NAME = 'audit.log';
const MB = 1_048_576;
const DAY_MS = 24 * 3600 * 1000;

/** What the audit log of a node is made with; undefined where there is none. */
export function auditSettings(
  audit: Values<typeof STARTUP_AUDIT.options>,
): AuditFileSettings | undefined {
  if (!audit.enabled) return undefined;
  const given = must(audit.audit_log_file_path, 'it was checked when the configuration was read');
  const { rotation } = audit;
  return {
    options: audit,
    path: path.extname(given) === '.log' ? given : path.join(given, FILE_NAME),
    rotation: {
      bytesMax: rotation.max_size * MB,
      everyMs: rotation.rotation_interval.ms,
      keepMs: rotation.max_age * DAY_MS,
      keptBytesMax: rotation.rotated_logs_size_limit * MB,
      localTime: rotation.localtime,
    },
  };
}
