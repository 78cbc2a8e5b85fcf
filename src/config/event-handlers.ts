import { hostOf, isForbiddenAddress } from '../util/forbidden-address.ts';
import type { Findings } from './check-table.ts';
import type { EventHandlersConfig, ServerWebhookConfig, WebhookConfig } from './event-options.ts';

const LISTS = ['document_changed', 'db_state_changed'] as const;

/** What a handler must have, and that no two share a name. */
export function checkEventHandlers(config: EventHandlersConfig, { problems }: Findings): void {
  for (const list of LISTS) {
    const ids = new Map<string, string>();
    for (const [index, handler] of config[list].entries()) {
      const path = `event_handlers.${list}[${index}]`;
      checkHandler(handler, path, problems);
      const { id } = handler;
      if (id === undefined) continue;
      const other = ids.get(id);
      if (other !== undefined) problems.push(`${path}.id: is the id of ${other} too`);
      ids.set(id, path);
    }
  }
}

/** What a webhook of the start-up configuration must have. */
export function checkServerWebhooks(
  webhooks: readonly ServerWebhookConfig[],
  { problems }: Findings,
): void {
  for (const [index, { url }] of webhooks.entries()) {
    const path = `events.webhooks[${index}]`;
    checkUrl(url, `${path}.url`, problems);
  }
}

function checkHandler({ handler, url }: WebhookConfig, path: string, problems: string[]): void {
  if (handler === undefined && !isNamed(problems, `${path}.handler`))
    problems.push(`${path}.handler: must be given; it is "webhook"`);
  checkUrl(url, `${path}.url`, problems);
}

function checkUrl(url: string | undefined, path: string, problems: string[]): void {
  if (url === undefined) {
    if (!isNamed(problems, path)) problems.push(`${path}: must be given`);
    return;
  }
  const host = hostOf(new URL(url));
  if (isForbiddenAddress(host))
    problems.push(`${path}: names ${host}, a link-local address, which is never asked`);
}

/** What is wrong counts as absent; it has been told once. */
function isNamed(problems: readonly string[], path: string): boolean {
  return problems.some((problem) => problem.startsWith(`${path}:`));
}

/** Each function of the handlers, with where it stands in the configuration. */
export function filtersOf(
  config: EventHandlersConfig,
): readonly { readonly source: string; readonly path: string }[] {
  return LISTS.flatMap((list) =>
    config[list].map(({ filter }, index) => ({
      source: filter,
      path: `event_handlers.${list}[${index}].filter`,
    })),
  ).filter(({ source }) => source !== '');
}
