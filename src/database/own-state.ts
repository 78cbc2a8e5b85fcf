/** Whom `_offline` and `_online` are for: all nodes that share the configuration, or this one. */
export type Scope = 'group' | 'node';

/**
 * What an administrator wants of a database on this node alone, whatever the configuration says
 * that it shares with others. It is not stored: the next `_offline` or `_online` for all nodes,
 * asked of this one, ends it, and so does the end of the process.
 */
export class OwnState {
  #wanted: 'Online' | 'Offline' | undefined;

  /** Undefined where it is as the configuration says. */
  get wanted(): 'Online' | 'Offline' | undefined {
    return this.#wanted;
  }

  /** `stored`: whether the configuration says that it is offline. */
  want(state: 'Online' | 'Offline', { scope, stored }: { scope: Scope; stored: boolean }): void {
    const isShared = scope === 'group' || (state === 'Offline') === stored;
    this.#wanted = isShared ? undefined : state;
  }

  /** Whether it is to be offline, by a configuration that says so or not. */
  isOffline(stored: boolean): boolean {
    return this.#wanted === undefined ? stored : this.#wanted === 'Offline';
  }
}
