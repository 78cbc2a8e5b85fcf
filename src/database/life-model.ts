/** For tests: what the table of `design.md` makes of a database, without any of its machinery. */

export const DRAIN_SECS = 30;
const DRAIN_MS = DRAIN_SECS * 1000;
/** Openings that end while there are requests; of a further one the change would wait. */
const DRAINING_MAX = 4;

export type Asked =
  | { readonly to: 'goOnline' | 'goOffline' | 'feedLost' }
  | { readonly to: 'goOnlineLater'; readonly secs: number }
  | { readonly to: 'configure'; readonly offline: boolean | undefined };

export class LifeModel {
  readonly #now: () => number;
  state: 'Online' | 'Stopping' | 'Offline' = 'Online';
  onlineAtMs: number | undefined;
  storedOffline = false;
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

  /** What the one who asks is told in the end. */
  ask(asked: Asked): 'done' | 'unavailable' {
    if (asked.to === 'goOnline' && this.state === 'Stopping') return 'unavailable';
    if (asked.to === 'goOffline' && this.state === 'Stopping') this.onlineAtMs = undefined;
    if (asked.to === 'feedLost' && this.state !== 'Online') return 'done';
    if (asked.to === 'goOnlineLater') {
      if (this.state !== 'Online') this.onlineAtMs = this.#now() + asked.secs * 1000;
      return 'done';
    }
    if (this.state === 'Stopping') this.#waiting.push(() => this.#do(asked));
    else this.#do(asked);
    return 'done';
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
      const comesOnline = (): void => {
        if (this.onlineAtMs !== undefined && this.onlineAtMs <= until) this.#start();
      };
      if (this.state === 'Stopping') this.#waiting.push(comesOnline);
      else comesOnline();
    }
    this.#requests = this.#requests.filter((at) => at === undefined || at > until);
    this.#stopped();
  }

  #do(asked: Exclude<Asked, { to: 'goOnlineLater' }>): void {
    switch (asked.to) {
      case 'goOnline':
        if (this.state === 'Offline') this.#start();
        return;
      case 'goOffline':
        this.storedOffline = true;
        this.onlineAtMs = undefined;
        return this.#stop();
      case 'feedLost':
        return this.#stop();
      case 'configure':
        if (asked.offline !== undefined) this.storedOffline = asked.offline;
        if (this.storedOffline) this.#stop();
        else if (this.state === 'Offline') this.#start();
        else this.#end();
    }
  }

  #start(): void {
    this.state = 'Online';
    this.storedOffline = false;
    this.onlineAtMs = undefined;
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
