import type { Observer } from '../observability/events.ts';
import { databaseStateChanged } from '../observability/events.ts';
import type { Clock } from '../util/clock.ts';
import { GatewayError } from '../util/errors.ts';

/**
 * The states of a database, complete (`design.md`, Databases and their states): what each request
 * means in each state, and which state may follow which. Whoever changes a state asks here.
 */
export type DatabaseState = 'Starting' | 'Online' | 'Stopping' | 'Offline' | 'Resyncing';

/** What may be asked of a database, or happen to it. */
export type StateRequest =
  | 'goOnline'
  | 'goOnlineLater'
  | 'goOffline'
  | 'resync'
  | 'configure'
  | 'feedLost';

export type Reaction =
  /** It is so, or it is coming; nothing is done, and that is a success. */
  | 'already'
  /** `unavailable`: not now. */
  | 'refused'
  /** Noted: looked at again when the transition under way is over. */
  | 'afterwards'
  /** Starting, then Online. */
  | 'start'
  /** Stopping, then Offline. */
  | 'stop'
  /** As `already`; an online that waits for its time is given up. */
  | 'stay'
  /** It comes online at its time; another time that was set is replaced. */
  | 'wait'
  /** Stopping, Starting, Online, with the new configuration. */
  | 'restart'
  /** Takes the new configuration; stays Offline unless that says otherwise. */
  | 'adopt'
  /** Stopping, then Offline, without anybody having asked; the reason says why. */
  | 'lost'
  /** Resyncing, then Offline. */
  | 'resync';

export const REACTIONS: Readonly<Record<DatabaseState, Readonly<Record<StateRequest, Reaction>>>> =
  {
    Starting: {
      goOnline: 'already',
      goOnlineLater: 'already',
      goOffline: 'afterwards',
      resync: 'refused',
      configure: 'afterwards',
      feedLost: 'afterwards',
    },
    Online: {
      goOnline: 'already',
      goOnlineLater: 'already',
      goOffline: 'stop',
      resync: 'refused',
      configure: 'restart',
      feedLost: 'lost',
    },
    Stopping: {
      goOnline: 'refused',
      goOnlineLater: 'wait',
      goOffline: 'stay',
      resync: 'refused',
      configure: 'afterwards',
      feedLost: 'already',
    },
    Offline: {
      goOnline: 'start',
      goOnlineLater: 'wait',
      goOffline: 'stay',
      resync: 'resync',
      configure: 'adopt',
      feedLost: 'already',
    },
    Resyncing: {
      goOnline: 'refused',
      goOnlineLater: 'refused',
      goOffline: 'already',
      resync: 'refused',
      configure: 'afterwards',
      feedLost: 'lost',
    },
  };

/** Which state may follow which. */
export const MOVES: Readonly<Record<DatabaseState, readonly DatabaseState[]>> = {
  Starting: ['Online', 'Offline'],
  Online: ['Stopping'],
  Stopping: ['Offline', 'Starting'],
  Offline: ['Starting', 'Resyncing'],
  Resyncing: ['Offline'],
};

export interface StateChange {
  readonly from: DatabaseState;
  readonly to: DatabaseState;
  readonly reason: string;
  /** Whether nobody wanted it to come into this state. */
  readonly inTrouble: boolean;
}

/** The state that one database is in; every transition is told to its observer. */
export class DatabaseStates {
  readonly #observer: Observer;
  readonly #clock: Clock;
  #state: DatabaseState = 'Starting';
  #sinceMs: number;
  #reason = 'the database is being loaded';
  #inTrouble = false;
  #told: (change: StateChange) => void = () => undefined;

  constructor(observer: Observer, clock: Clock) {
    this.#observer = observer;
    this.#clock = clock;
    this.#sinceMs = clock.now();
  }

  get state(): DatabaseState {
    return this.#state;
  }

  /** Since when it is in this state, ms since 1970. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  /** Why it came into this state. */
  get reason(): string {
    return this.#reason;
  }

  /** Whether nobody wanted it to come into this state. */
  get inTrouble(): boolean {
    return this.#inTrouble;
  }

  /** Throws `unavailable` where the table refuses the request. */
  reactionTo(request: StateRequest): Exclude<Reaction, 'refused'> {
    const reaction = REACTIONS[this.#state][request];
    if (reaction === 'refused') throw this.#unavailable();
    return reaction;
  }

  /** Throws `unavailable` in every other state, with the state and since when. */
  requireOnline(): void {
    if (this.#state !== 'Online') throw this.#unavailable();
  }

  /** Whom every transition is told from now on. */
  tell(told: (change: StateChange) => void): void {
    this.#told = told;
  }

  enter(to: DatabaseState, reason: string, { inTrouble = false } = {}): void {
    const from = this.#state;
    if (!MOVES[from].includes(to)) throw new Error(`bug: no way from ${from} to ${to}`);
    this.#state = to;
    this.#sinceMs = this.#clock.now();
    this.#reason = reason;
    this.#inTrouble = inTrouble;
    databaseStateChanged(this.#observer, { from, to, reason });
    this.#told({ from, to, reason, inTrouble });
  }

  #unavailable(): GatewayError {
    const since = new Date(this.#sinceMs).toISOString();
    const state = this.#state.toLowerCase();
    // NOTE: not why: that is the administrators' business, and anyone may be told this.
    return new GatewayError('unavailable', `the database is ${state} since ${since}`, {
      details: { state: this.#state, since },
    });
  }
}
