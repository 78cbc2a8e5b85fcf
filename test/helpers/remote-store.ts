import type { PouchConstructor, Store } from './pouch.ts';

export interface RemoteOptions {
  /** `name:password`, by Basic authentication. */
  readonly as?: string;
  /** Sees each request; without it they go to the network as they are. */
  readonly fetch?: typeof fetch;
}

/** A database of a gateway, as the PouchDB of Node or of a page sees it. */
export function openRemoteStore(
  PouchDB: PouchConstructor,
  url: string,
  { as, ...options }: RemoteOptions = {},
): Store {
  const [username, password] = as?.split(':') ?? [];
  const auth = as === undefined ? {} : { auth: { username, password } };
  const store = new PouchDB(url, { adapter: 'http', ...auth, ...options });
  const info = store.info.bind(store);
  // NOTE: a replication asks for it after each batch, for its own statistics alone, and leaves a
  // failure unhandled.
  store.info = () => info().catch(() => ({ db_name: url, update_seq: 0 }));
  return store;
}
