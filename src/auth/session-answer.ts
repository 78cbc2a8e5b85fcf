import type { Sequence } from '../document/types.ts';

/** What `_session` answers, on both ports (`admin.md` §7). */
export interface SessionAnswer {
  readonly authentication_handlers: readonly ['default', 'cookie'];
  readonly ok: true;
  readonly userCtx: {
    /** Of the user itself, not by roles, with the sequence from which each is held. */
    readonly channels: Readonly<Record<string, Sequence>> | null;
    readonly name: string | null;
  };
}

interface ChannelSource {
  sessionChannels(name: string): Promise<ReadonlyMap<string, Sequence>>;
}

/** `user` is `` for the guest, who is shown without a name, and undefined for nobody. */
export async function sessionAnswer(
  user: string | undefined,
  principals: ChannelSource,
): Promise<SessionAnswer> {
  const channels = user === undefined ? null : await principals.sessionChannels(user);
  return {
    authentication_handlers: ['default', 'cookie'],
    ok: true,
    userCtx: {
      channels: channels && Object.fromEntries(channels),
      name: user || null,
    },
  };
}
