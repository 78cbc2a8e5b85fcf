/**
 * For tests: what the table of `design.md` makes of a database, without any of its machinery.
 * Beside it, what this node alone is to be, and what other nodes store.
 */

export const DRAIN_SECS = 30;
const DRAIN_MS = DRAIN_SECS * 1000;
/** Openings that end while there are requests; of a further one the change would wait. */
const DRAINING_MAX = 4;

export type Scope = 'group' | 'node';

export type Asked =
  | { readonly to: 'goOnline' | 'goOffline'; readonly scope: Scope }
  | { readonly to: 'feedLost' }
  | { readonly to: 'goOnlineLater'; readonly secs: number; readonly scope: Scope }
  | { readonly to: 'configure'; readonly offline: boolean | undefined }
  /** Another node has stored a configuration, and this one looks. */
  | { readonly to: 'follow'; readonly offline: boolean | undefined };

/**
 * What the one who asks is told in the end. `either`: nothing is to be done, which is known where
 * the file that is away is still open.
 */
export type Outcome = 'done' | 'unavailable' | 'either';

export class LifeModel {
  readonly #now: () => number;
  state: 'Online' | 'Stopping' | 'Offline' = 'Online';
  onlineAtMs: number | undefined;
  #onlineScope: Scope = 'group';
  storedOffline = false;
  /** As this node has read it. */
  knownOffline = false;
  ownState: 'Online' | 'Offline' | undefined;
  /** Whether the file of the bucket is where it was. */
  isAway = false;
  /** Whether its collection is routed for another database. */
  isForeign = false;
  /** Whether it is offline because of that. */
  #isHeld = false;
  #storedVersion = 0;
  #knownVersion = 0;
  /** When each open request is cut off; undefined: it is on the opening of now. */
  #requests: (number | undefined)[] = [];
  /** What waits until it is offline. */
  #waiting: (() => void)[] = [];

  constructor(now: () => number) {
    this.#now = now;
  }

  get requests(): number {
    return this.#requests.length;
  }

  get drainsMuch(): boolean {
    return new Set(this.#requests).size >= DRAINING_MAX;
  }

  ask(asked: Asked): Promise<Outcome> {
    if (asked.to === 'goOnline' && this.state === 'Stopping') return Promise.resolve('unavailable');
    if (asked.to === 'goOffline' && this.state === 'Stopping') this.onlineAtMs = undefined;
    if (asked.to === 'feedLost' && this.state !== 'Online') return Promise.resolve('done');
    if (asked.to === 'goOnlineLater') {
      if (this.state === 'Online') return Promise.resolve('done');
      this.onlineAtMs = this.#now() + asked.secs * 1000;
      this.#onlineScope = asked.scope;
      return Promise.resolve('done');
    }
    if (this.state !== 'Stopping') return Promise.resolve(this.#do(asked));
    return new Promise((resolve) => {
      this.#waiting.push(() => resolve(this.#do(asked)));
    });
  }

  /** Another node stores a configuration. */
  changedElsewhere(offline: boolean | undefined): void {
    this.#store(offline ?? this.storedOffline);
  }

  /** Whether it is taken up. */
  request(): boolean {
    if (this.state !== 'Online') return false;
    this.#requests.push(undefined);
    return true;
  }

  /** The one that is open for the longest time. */
  answer(): void {
    this.#requests.shift();
    this.#stopped();
  }

  /** Time has passed. */
  wait(): void {
    const until = this.#now();
    // What came first, the end of the drain or the time to come online, makes no difference: an
    // online that is due while it stops has its turn when it is offline.
    const due = this.onlineAtMs !== undefined && this.onlineAtMs <= until;
    if (due) {
      const scope = this.#onlineScope;
      const comesOnline = (): void => {
        if (this.onlineAtMs !== undefined && this.onlineAtMs <= until) this.#start(scope);
      };
      if (this.state === 'Stopping') this.#waiting.push(comesOnline);
      else comesOnline();
    }
    this.#requests = this.#requests.filter((at) => at === undefined || at > until);
    this.#stopped();
  }

  #do(asked: Exclude<Asked, { to: 'goOnlineLater' }>): Outcome {
    switch (asked.to) {
      case 'goOnline':
        if (this.state === 'Offline') return this.#start(asked.scope);
        if (asked.scope === 'node' || this.ownState !== 'Online') return 'done';
        return this.#configure(false);
      case 'goOffline':
        return this.#goOffline(asked.scope);
      case 'feedLost':
        this.#stop();
        return 'done';
      case 'configure':
        return this.#configure(asked.offline);
      case 'follow':
        return this.#follow();
    }
  }

  #goOffline(scope: Scope): Outcome {
    this.onlineAtMs = undefined;
    if (scope === 'group' && this.isAway && this.state === 'Offline' && this.storedOffline)
      return 'either';
    if (scope === 'group' && !this.storedOffline) {
      if (this.isAway) return 'unavailable';
      this.#store(true);
    }
    if (scope === 'group') this.#know();
    this.#want('Offline', scope);
    this.#stop();
    return 'done';
  }

  #configure(offline: boolean | undefined): Outcome {
    if (this.isAway) return 'unavailable';
    this.#store(offline ?? this.storedOffline);
    this.#know();
    const isOffline =
      this.ownState === undefined ? this.storedOffline : this.ownState === 'Offline';
    if (isOffline) this.#stop();
    else if (this.state === 'Offline') return this.#start('group');
    else this.#reopen();
    return 'done';
  }

  #follow(): Outcome {
    if (this.#storedVersion === this.#knownVersion) return 'done';
    const before = this.knownOffline;
    this.#know();
    const isOther = before !== this.storedOffline && this.ownState === undefined;
    const isHeld = this.#isHeld && this.ownState === undefined;
    if (this.state === 'Offline')
      return (isOther || isHeld) && !this.storedOffline ? this.#start('group') : 'done';
    if (isOther && this.storedOffline) this.#stop();
    else this.#reopen();
    return 'done';
  }

  #start(scope: Scope): Outcome {
    this.onlineAtMs = undefined;
    if (this.isAway) return 'unavailable';
    if (scope === 'group' && (this.storedOffline || this.#isHeld)) this.#store(false);
    this.#know();
    this.#want('Online', scope);
    this.#isHeld = this.isForeign;
    if (!this.isForeign) this.state = 'Online';
    return 'done';
  }

  #want(state: 'Online' | 'Offline', scope: Scope): void {
    const isAsStored = (state === 'Offline') === this.knownOffline;
    this.ownState = scope === 'group' || isAsStored ? undefined : state;
  }

  #store(offline: boolean): void {
    this.storedOffline = offline;
    this.#storedVersion += 1;
  }

  #know(): void {
    this.knownOffline = this.storedOffline;
    this.#knownVersion = this.#storedVersion;
  }

  #reopen(): void {
    if (this.isForeign) {
      this.#isHeld = true;
      this.#stop();
    } else this.#end();
  }

  #stop(): void {
    if (this.state !== 'Online') return;
    this.#end();
    this.state = 'Stopping';
    this.#stopped();
  }

  /** The requests on the opening of now have so long to be answered. */
  #end(): void {
    this.#requests = this.#requests.map((at) => at ?? this.#now() + DRAIN_MS);
  }

  #stopped(): void {
    if (this.state !== 'Stopping' || this.#requests.length > 0) return;
    this.state = 'Offline';
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) next();
  }
}
