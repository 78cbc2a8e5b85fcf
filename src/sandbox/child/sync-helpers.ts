import type { Limits } from '../limits.ts';
import { textOf } from './thrown.ts';

/** Who writes, as the realm of a function keeps it. */
export interface RealmWriter {
  readonly name: string;
  readonly roles: ReadonlySet<string>;
  readonly channels: ReadonlySet<string>;
}

/** What a call has said so far. Made anew for each call. */
export interface CallState {
  /** Null passes every `require…`. */
  writer: RealmWriter | null;
  channels: Set<string>;
  access: Map<string, Set<string>>;
  roles: Map<string, Set<string>>;
  expiry: string | undefined;
  askedForRights: boolean;
  log: (readonly [level: string, text: string])[];
  /** Whether a promise that the function returned is still open. */
  pending: boolean;
  /** Whether what it returned, or its promise gave, counts as true. */
  truthy: boolean;
}

export function freshState(writer: RealmWriter | null): CallState {
  return {
    writer,
    channels: new Set(),
    access: new Map(),
    roles: new Map(),
    expiry: undefined,
    askedForRights: false,
    log: [],
    pending: false,
    truthy: false,
  };
}

/** The strings among a name or a list of names; everything else is passed over. */
export function namesOf(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  if (!Array.isArray(value)) return [];
  const names: string[] = [];
  for (let i = 0; i < value.length; i++) {
    const name: unknown = value[i];
    if (typeof name === 'string') names.push(name);
  }
  return names;
}

/**
 * The functions that say where a document goes and whom it gives access: `channel`, `access`,
 * `role`, `expiry` of Sync Gateway's sync function API.
 *
 * NOTE: the text of these functions is run in the child (`program-text.ts`).
 */
export function routingHelpers(current: () => CallState): Record<string, unknown> {
  function grant(to: Map<string, Set<string>>, users: unknown, names: readonly string[]): void {
    if (names.length === 0) return;
    for (const user of namesOf(users)) {
      if (user === '') continue;
      const had = to.get(user) ?? new Set<string>();
      for (const name of names) had.add(name);
      to.set(user, had);
    }
  }
  function roleName(name: string): string {
    if (!name.startsWith('role:') || name === 'role:')
      refuse(`role() takes names of the form "role:NAME", not "${name.slice(0, 100)}"`);
    return name.slice(5);
  }
  /** An error of the function's own realm: it fails as if its own code had thrown it. */
  function refuse(message: string): never {
    const wrong = new TypeError(message);
    throw wrong;
  }
  return {
    channel(...lists: readonly unknown[]): void {
      const { channels } = current();
      for (const list of lists) for (const name of namesOf(list)) channels.add(name);
    },
    access(users: unknown, channels: unknown): void {
      grant(current().access, users, namesOf(channels));
    },
    role(users: unknown, roles: unknown): void {
      grant(current().roles, users, namesOf(roles).map(roleName));
    },
    expiry(value: unknown): void {
      current().expiry = JSON.stringify(value) as string | undefined;
    },
  };
}

/** The functions that refuse a writer. A null writer (an administrator) passes them all. */
export function requireHelpers(current: () => CallState): Record<string, unknown> {
  function demand(reason: string, holds: (writer: RealmWriter) => boolean): void {
    const state = current();
    if (state.writer === null) return;
    state.askedForRights = true;
    if (!holds(state.writer)) throw { forbidden: reason }; // eslint-disable-line -- the API's form
  }
  return {
    requireUser(names: unknown): void {
      // The guest's name is empty, and no list of names means it.
      demand('wrong user', ({ name }) => name !== '' && namesOf(names).includes(name));
    },
    requireRole(names: unknown): void {
      demand('missing role', ({ roles }) => namesOf(names).some((name) => roles.has(name)));
    },
    requireAccess(names: unknown): void {
      demand('missing channel access', ({ channels }) => {
        const wanted = namesOf(names);
        return (
          wanted.length > 0 && (channels.has('*') || wanted.some((name) => channels.has(name)))
        );
      });
    },
    requireAdmin(): void {
      // No right of the writer is asked for: whoever is no administrator stays none.
      if (current().writer === null) return;
      throw { forbidden: 'admin required' }; // eslint-disable-line -- the API's form
    },
  };
}

/** `log` and `console`: their lines travel with the answer, up to the limits. */
export function logHelpers(current: () => CallState, limits: Limits): Record<string, unknown> {
  function writer(level: string): (...values: readonly unknown[]) => void {
    return (...values) => {
      const { log } = current();
      if (log.length >= limits.logLines) return;
      const parts: string[] = [];
      let chars = 0;
      for (let i = 0; i < values.length && chars < limits.logChars; i++) {
        const part = textOf(values[i], limits);
        parts.push(part);
        chars += part.length;
      }
      log.push([level, parts.join(' ').slice(0, limits.logChars)]);
    };
  }
  const console = {
    log: writer('info'),
    info: writer('info'),
    debug: writer('debug'),
    trace: writer('trace'),
    warn: writer('warn'),
    error: writer('error'),
  };
  return { log: writer('info'), console };
}
