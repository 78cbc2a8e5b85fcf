import type { AuditEvent } from '../observability/audit/audit-event.ts';
import { auditEventsOf } from '../observability/audit/audit-events.ts';
import { selectedIds } from '../observability/audit/audit-selection.ts';

/**
 * The events that a database may choose, and those that are always told, by id: whether each is on.
 * `ids`: what is configured; what is among them and the gateway's alone is told too.
 */
export function auditedEvents(
  ids: readonly number[] | undefined,
  {
    verbose,
    filterable,
  }: { readonly verbose?: boolean | undefined; readonly filterable?: boolean | undefined },
): Readonly<Record<string, unknown>> {
  const isOn = selectedIds({ enabled_events: ids }, 'database');
  const named = new Set(ids);
  const global = auditEventsOf('global').filter(
    ({ id, isFilterable }) => !isFilterable || named.has(id),
  );
  const told = [...global, ...auditEventsOf('database')];
  const shown = filterable === true ? told.filter(({ isFilterable }) => isFilterable) : told;
  return Object.fromEntries(
    shown.map((event) => {
      const enabled = event.scope === 'global' || isOn.has(event.id);
      return [event.id, verbose === true ? inWords(event, enabled) : enabled];
    }),
  );
}

function inWords({ name, description, isFilterable }: AuditEvent, enabled: boolean): object {
  return { name, description, enabled, filterable: isFilterable };
}
