import type { ReasonView } from '../principals/reason-view.ts';

/**
 * Why a user or role sees a document, or what is in a channel, or why not: as the REST API tells
 * it. `since` and `until` are sequences, `until` the first one at which it was so no more.
 */
export interface Explanation {
  /** All of it in a few sentences. */
  readonly summary: string;
  readonly user?: string;
  readonly role?: string;
  readonly keyspace: string;
  readonly doc?: string;
  readonly channel?: string;
  readonly visible: boolean;
  /** The sequence as of which all this holds. */
  readonly as_of: number;
  /** Of a user: every request of it is refused. */
  readonly disabled?: boolean;
  readonly document?: DocumentExplanation;
  /** What is held first, then what was. */
  readonly channels: readonly ChannelExplanation[];
  /** Further channels of the document that are not explained. */
  readonly more_channels?: number;
  /** Roles that the user has, and that do not exist. */
  readonly missing_roles?: readonly string[];
}

export interface DocumentExplanation {
  readonly rev: string;
  readonly sequence: number;
  readonly deleted: boolean;
  /** What an application wrote over it is not imported: nobody sees it. */
  readonly hidden?: true;
  /** In which it is. */
  readonly channels: readonly { readonly channel: string; readonly since: number }[];
  /** In which it was; `held`: the subject has that channel. */
  readonly left?: readonly {
    readonly channel: string;
    readonly since: number;
    readonly until: number;
    readonly held: boolean;
  }[];
}

export interface ChannelExplanation {
  readonly channel: string;
  /** Whether the subject has it now. */
  readonly held: boolean;
  /** From when on without a break. */
  readonly since?: number;
  /** Chains that hold now, each of which suffices. */
  readonly reasons?: readonly ReasonView[];
  /** Chains that have ended. */
  readonly ended?: readonly ReasonView[];
  /** Where the subject has it not: who has, some of them; roles as `role:NAME`. */
  readonly granted_to?: readonly string[];
  readonly granted_to_more?: true;
}
