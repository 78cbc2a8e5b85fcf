/**
 * What a reader of one database should see, as a small model: the sync function of the property
 * tests, evaluated by hand. Deliberately naive, so that it can be trusted.
 */
export const SYNC_FUNCTION = `function (doc, oldDoc) {
  if (doc.refuse) throw({ forbidden: 'refused' });
  channel(doc.channels);
  if (doc.grant) access(doc.grant.to, doc.grant.channels);
  if (doc.hire) role(doc.hire.user, 'role:' + doc.hire.role);
}`;

export interface ModelDocument {
  rev: string;
  deleted: boolean;
  /** An application wrote over it what is refused. What it grants holds. */
  hidden?: boolean;
  channels: readonly string[];
  grant?: { to: string; channels: readonly string[] } | undefined;
  hire?: { user: string; role: string } | undefined;
}

export class SyncModel {
  readonly documents = new Map<string, ModelDocument>();
  readonly users = new Map<string, { channels: readonly string[]; roles: readonly string[] }>();
  readonly roles = new Map<string, { channels: readonly string[] }>();

  channelsOf(user: string): ReadonlySet<string> {
    const held = new Set(['!', ...(this.users.get(user)?.channels ?? []), ...this.#granted(user)]);
    for (const role of this.#rolesOf(user)) {
      const existing = this.roles.get(role);
      if (existing === undefined) continue;
      for (const channel of [...existing.channels, ...this.#granted(`role:${role}`)])
        held.add(channel);
    }
    return held;
  }

  maySee(user: string, channels: readonly string[]): boolean {
    const held = this.channelsOf(user);
    return held.has('*') || channels.some((channel) => held.has(channel));
  }

  /** Id → revision of every live document that the user may see. */
  visible(user: string): ReadonlyMap<string, string> {
    const visible = new Map<string, string>();
    for (const [id, doc] of this.documents)
      if (!doc.deleted && doc.hidden !== true && this.maySee(user, doc.channels))
        visible.set(id, doc.rev);
    return visible;
  }

  #rolesOf(user: string): ReadonlySet<string> {
    const roles = new Set(this.users.get(user)?.roles);
    for (const { hire, deleted } of this.documents.values())
      if (!deleted && hire?.user === user) roles.add(hire.role);
    return roles;
  }

  #granted(to: string): readonly string[] {
    return [...this.documents.values()].flatMap(({ grant, deleted }) =>
      !deleted && grant?.to === to ? grant.channels : [],
    );
  }
}
