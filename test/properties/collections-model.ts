/**
 * What readers of a database with collections should see, as a small model: its sync functions,
 * evaluated by hand. It knows no sequences and no history, so that it can be trusted.
 */
export const SCOPE = 'shop';
export const COLLECTIONS = ['one', 'two', 'three'] as const;
export type CollectionName = (typeof COLLECTIONS)[number];

/** Channels of `two` are not those that its documents name. */
const SHIFT: Readonly<Record<string, string>> = { a: 'b', b: 'c', c: 'a' };

const GRANTS = `
  if (doc.grant) access(doc.grant.to, doc.grant.channels);
  if (doc.hire) role(doc.hire.user, 'role:' + doc.hire.role);`;

export const SYNC_FUNCTIONS: Readonly<Record<CollectionName, string>> = {
  one: `function (doc, oldDoc) {
  if (doc.refuse) throw({ forbidden: 'refused' });
  requireUser(doc.author);
  channel(doc.channels);${GRANTS}
}`,
  two: `function (doc, oldDoc) {
  if (doc.refuse) throw({ forbidden: 'refused' });
  requireRole('crew');
  var names = { a: 'b', b: 'c', c: 'a' };
  channel((doc.channels || []).map(function (name) { return names[name] || name; }));
  if (doc._deleted && oldDoc) channel(oldDoc.channels);${GRANTS}
}`,
  three: `function (doc, oldDoc) {
  if (doc.refuse) throw({ forbidden: 'refused' });
  requireAccess(doc.channels);
  channel(doc.channels);${GRANTS}
}`,
};

/** What is written; `token` is in no other revision. */
export interface Content {
  readonly channels: readonly string[];
  readonly token: string;
  readonly author?: string;
  readonly grant?: { readonly to: string; readonly channels: readonly string[] };
  readonly hire?: { readonly user: string; readonly role: string };
}

interface ModelRevision {
  readonly content: Content;
  readonly deleted: boolean;
  /** Into which the sync function put it. */
  readonly routed: readonly string[];
}

interface ModelDocument extends ModelRevision {
  readonly rev: string;
  readonly revisions: ReadonlyMap<string, ModelRevision>;
}

export type ByCollection = Readonly<Record<CollectionName, readonly string[]>>;

interface ModelUser {
  readonly channels: ByCollection;
  readonly roles: readonly string[];
  readonly disabled: boolean;
}

const NOTHING: Content = { channels: [], token: '' };

export class CollectionsModel {
  readonly users: Map<string, ModelUser>;
  readonly roles: Map<string, { readonly channels: ByCollection }>;
  readonly #documents: Readonly<Record<CollectionName, Map<string, ModelDocument>>>;
  /** Documents that were removed without a word: who holds one may go on holding it. */
  readonly #purged: Set<string>;

  constructor(other?: CollectionsModel) {
    this.users = new Map(other?.users);
    this.roles = new Map(other?.roles);
    this.#purged = new Set(other === undefined ? [] : other.#purged);
    const copy = (name: CollectionName): Map<string, ModelDocument> =>
      new Map(other === undefined ? [] : other.#documents[name]);
    this.#documents = { one: copy('one'), two: copy('two'), three: copy('three') };
  }

  document(collection: CollectionName, id: string): ModelDocument | undefined {
    return this.#documents[collection].get(id);
  }

  /** A revision on top of the one that there is; without content a tombstone. */
  write(
    collection: CollectionName,
    id: string,
    made: { readonly rev: string; readonly content?: Content; readonly deleted?: boolean },
  ): void {
    const { rev, content = NOTHING, deleted = false } = made;
    const before = this.document(collection, id);
    const routed = route(collection, { content, deleted }, before);
    const revision = { content, deleted, routed };
    const revisions = new Map(before?.revisions).set(rev, revision);
    this.#documents[collection].set(id, { ...revision, rev, revisions });
  }

  purge(collection: CollectionName, id: string): void {
    if (this.#documents[collection].delete(id)) this.#purged.add(`${collection} ${id}`);
  }

  wasPurged(collection: CollectionName, id: string): boolean {
    return this.#purged.has(`${collection} ${id}`);
  }

  /** Whether the user is let in. */
  admits(user: string): boolean {
    return this.users.get(user)?.disabled === false;
  }

  channelsOf(user: string, collection: CollectionName): ReadonlySet<string> {
    const own = this.users.get(user)?.channels[collection] ?? [];
    const held = new Set(['!', ...own, ...this.#granted(user, collection)]);
    for (const role of this.rolesOf(user)) {
      const existing = this.roles.get(role);
      if (existing === undefined) continue;
      const granted = this.#granted(`role:${role}`, collection);
      for (const channel of [...existing.channels[collection], ...granted]) held.add(channel);
    }
    return held;
  }

  /** Roles that it has, existing or not. */
  rolesOf(user: string): ReadonlySet<string> {
    const roles = new Set(this.users.get(user)?.roles);
    for (const { content } of this.#live()) {
      if (content.hire?.user === user) roles.add(content.hire.role);
    }
    return roles;
  }

  /** Whether a revision that is in these channels may be seen, if only those count in `through`. */
  maySee(
    user: string,
    collection: CollectionName,
    {
      routed,
      through,
    }: { readonly routed: readonly string[]; readonly through?: readonly string[] },
  ): boolean {
    const held = this.channelsOf(user, collection);
    if (through === undefined) return held.has('*') || routed.some((name) => held.has(name));
    return routed.some((name) => through.includes(name) && (held.has('*') || held.has(name)));
  }

  /** Id → revision of every live document that the user may see. */
  visible(
    user: string,
    collection: CollectionName,
    through?: readonly string[],
  ): ReadonlyMap<string, string> {
    const visible = new Map<string, string>();
    if (!this.admits(user)) return visible;
    const limit = through === undefined ? {} : { through };
    for (const [id, { rev, deleted, routed }] of this.#documents[collection])
      if (!deleted && this.maySee(user, collection, { routed, ...limit })) visible.set(id, rev);
    return visible;
  }

  /** Whether the sync function takes a document from the user, who is let in. */
  mayWrite(user: string, collection: CollectionName, { author, channels }: Content): boolean {
    if (collection === 'one') return author === user;
    if (collection === 'two') return this.rolesOf(user).has('crew');
    const held = this.channelsOf(user, collection);
    return channels.length > 0 && (held.has('*') || channels.some((name) => held.has(name)));
  }

  *#live(): Iterable<ModelDocument> {
    for (const name of COLLECTIONS)
      for (const document of this.#documents[name].values()) if (!document.deleted) yield document;
  }

  /** Grants of a document count in its own collection. */
  #granted(to: string, collection: CollectionName): readonly string[] {
    return [...this.#documents[collection].values()].flatMap(({ content: { grant }, deleted }) =>
      !deleted && grant?.to === to ? grant.channels : [],
    );
  }
}

/** What the sync function of the collection does with a document. */
function route(
  collection: CollectionName,
  { content: { channels }, deleted }: { readonly content: Content; readonly deleted: boolean },
  before: ModelRevision | undefined,
): readonly string[] {
  if (collection !== 'two') return channels;
  const shifted = channels.map((name) => SHIFT[name] ?? name);
  if (!deleted || before === undefined || before.deleted) return shifted;
  return [...shifted, ...before.content.channels];
}
