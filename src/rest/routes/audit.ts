import { z } from 'zod';
import { auditedPrincipal } from '../../config/audit-options.ts';
import type { JsonObject } from '../../config/check-table.ts';
import { objectAt } from '../../config/check-table.ts';
import { auditEvent } from '../../observability/audit/audit-events.ts';
import { selectedIds } from '../../observability/audit/audit-selection.ts';
import { GatewayError } from '../../util/errors.ts';
import { empty, json } from '../answer.ts';
import type { Answer } from '../answer.ts';
import { auditedEvents } from '../audited-events.ts';
import { jsonBody, noBody } from '../body.ts';
import { changeConfiguration } from '../change-configuration.ts';
import type { ChangingConfiguration } from '../change-configuration.ts';
import { auditChanged } from '../config-payload.ts';
import { jsonContent, NO_CONTENT } from '../content.ts';
import { lenientFlag } from '../query.ts';
import { route } from '../route.ts';

/** `logging.audit` of a database, in the form in which events are a map. */

const event = z.union([z.boolean(), z.looseObject({ enabled: z.boolean() })]);
const auditBody = z.strictObject({
  enabled: z.boolean().optional(),
  events: z.record(z.string(), event).optional(),
  disabled_users: z.array(auditedPrincipal).optional(),
  disabled_roles: z.array(auditedPrincipal).optional(),
});
type AuditBody = z.output<typeof auditBody>;

const base = { path: '/{db}/_config/audit', access: 'admin' } as const;
const verbose = z.object({ verbose: lenientFlag });

export const getAudit = route({
  ...base,
  method: 'GET',
  about:
    'Which events of a database the audit log tells; `verbose=true`: with their names and texts, ' +
    '`filterable=true`: without those that cannot be switched off.',
  query: verbose.extend({ filterable: lenientFlag }),
  body: noBody,
  answers: { 200: jsonContent(auditBody) },
  handle: ({ database, query }) => {
    const { enabled, disabled_users, disabled_roles, ...rest } = database.config.logging.audit;
    const events = auditedEvents(rest.enabled_events, query);
    return json(200, { enabled, events, disabled_users, disabled_roles });
  },
  audit: () => [{ event: 'readDatabaseConfig' }],
});

export const putAudit = route({
  ...base,
  method: 'PUT',
  about: 'Replaces what is told of a database: events that the body does not name are as usual.',
  query: verbose,
  body: jsonBody(auditBody),
  answers: { 200: NO_CONTENT },
  refuses: ['preconditionFailed'],
  handle: ({ body, ...handling }) => configure(handling, () => optionsOf(body, undefined)),
  audit: ({ body }) => auditChanged(body),
});

export const postAudit = route({
  ...base,
  method: 'POST',
  about: 'Changes what is told of a database: what the body does not name stays.',
  query: verbose,
  body: jsonBody(auditBody),
  answers: { 200: NO_CONTENT },
  refuses: ['preconditionFailed'],
  handle: ({ body, ...handling }) =>
    configure(handling, (audit) => ({
      ...audit,
      ...optionsOf(body, handling.database.config.logging.audit.enabled_events),
    })),
  audit: ({ body }) => auditChanged(body),
});

/** As they are stored. `before`: the ids that are on, undefined: the usual ones. */
function optionsOf(body: AuditBody, before: readonly number[] | undefined): JsonObject {
  const { events, ...rest } = body;
  if (events === undefined) return rest;
  const named = Object.entries(events).map(
    ([id, on]) => [id, typeof on === 'boolean' ? on : on.enabled] as const,
  );
  refuseWrong(named);
  const ids = new Set(before ?? selectedIds({ enabled_events: undefined }, 'database'));
  for (const [id, isOn] of named) {
    if (isOn) ids.add(Number(id));
    else ids.delete(Number(id));
  }
  return { ...rest, enabled_events: [...ids].toSorted((a, b) => a - b) };
}

/** Throws one `badRequest` that names every id that is none, or may not be switched off. */
function refuseWrong(events: readonly (readonly [id: string, isOn: boolean])[]): void {
  const eventOf = (id: string) => (/^\d{1,7}$/.test(id) ? auditEvent(Number(id)) : undefined);
  const namesOf = (some: typeof events): string => some.map(([id]) => id.slice(0, 20)).join(', ');
  const unknown = events.filter(([id]) => eventOf(id) === undefined);
  const fixed = events.filter(([id, isOn]) => !isOn && eventOf(id)?.isFilterable === false);
  const problems = [
    ...(unknown.length === 0 ? [] : [`${namesOf(unknown)}: no such audit event`]),
    ...(fixed.length === 0 ? [] : [`${namesOf(fixed)}: cannot be switched off`]),
  ];
  if (problems.length > 0)
    throw new GatewayError('badRequest', `events: ${problems.join('; ')}`, {
      details: { problems },
    });
}

async function configure(
  handling: ChangingConfiguration,
  change: (audit: JsonObject) => JsonObject,
): Promise<Answer> {
  const { services, database } = handling;
  await changeConfiguration(handling, (given) => {
    const audit = change(objectAt(given, 'logging', 'audit'));
    return { ...given, logging: { ...objectAt(given, 'logging'), audit } };
  });
  if (services.audit === undefined)
    services.log
      .with({ key: 'Config', db: database.name })
      .warn('this node has no audit log: see logging.audit of the start-up configuration');
  return empty(200);
}
