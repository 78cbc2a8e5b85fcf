import type { CollectionId, PrincipalKey } from '../bucket/bucket.ts';
import { FLAG } from '../bucket/bucket.ts';
import { ALL_CHANNELS, PUBLIC_CHANNEL } from '../channels/channel-name.ts';
import { presentChannels } from '../document/channel-state.ts';
import type { DocId } from '../document/types.ts';
import { mayRead } from '../principals/access.ts';
import type { Reasons } from '../principals/access-reasons.ts';
import { channelReasons, missingRoles } from '../principals/access-reasons.ts';
import type { ExplainedPrincipal, Subject } from '../principals/explained-principal.ts';
import { GUEST, nameOf } from '../principals/principal-name.ts';
import type { Principals } from '../principals/principals.ts';
import { EVERYONE, isHeld, reasonView } from '../principals/reason-view.ts';
import { GatewayError } from '../util/errors.ts';
import type { CollectionContext } from './collection-context.ts';
import type { CurrentDocument } from './current-document.ts';
import { loadDocument } from './current-document.ts';
import type { ChannelExplanation, DocumentExplanation, Explanation } from './explanation.ts';
import { summaryOf } from './explain-summary.ts';

/** Channels of a document that are explained one by one. */
const CHANNELS_MAX = 100;
/** Others that have a channel, of whom some are named. */
const HOLDERS_MAX = 10;
/** How often it is read anew when somebody writes the document meanwhile. */
const ATTEMPTS_MAX = 50;

export interface ExplainRequest {
  readonly subject: Subject;
  /** `scope.collection`. */
  readonly keyspace: string;
  readonly about:
    | { readonly kind: 'doc'; readonly id: DocId }
    | { readonly kind: 'channel'; readonly channel: string };
}

/**
 * Whether a user or role may see a document, or what is in a channel, and by which chain of grants,
 * or why not. The verdict is `mayRead`'s, of the same moment as the reasons. Throws `missing` where
 * there is no such user, role or document.
 */
export async function explain(
  context: CollectionContext,
  principals: Principals,
  request: ExplainRequest,
): Promise<Explanation> {
  const { about } = request;
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const principal = await principals.explained(request.subject);
    if (about.kind === 'channel') return explanation(context, principals, { request, principal });
    const current = await loadDocument(context, about.id);
    if (current === undefined)
      throw new GatewayError('missing', `there is no document ${about.id} in ${request.keyspace}`);
    // NOTE: a later document may be routed by what this access does not know yet.
    if (current.seq <= principal.snapshot.asOf)
      return explanation(context, principals, { request, principal, current });
  }
  throw new GatewayError('unavailable', 'the document is being changed too often; try again');
}

interface Read {
  readonly request: ExplainRequest;
  readonly principal: ExplainedPrincipal;
  /** Where a document is asked about. */
  readonly current?: CurrentDocument;
}

async function explanation(
  context: CollectionContext,
  principals: Principals,
  { request, principal, current }: Read,
): Promise<Explanation> {
  const { subject, keyspace, about } = request;
  const { access, snapshot, historyFrom, disabled } = principal;
  const of =
    current === undefined
      ? about.kind === 'channel'
        ? [about.channel]
        : []
      : presentChannels(current.metadata);
  const reasons = channelReasons(snapshot, context.id, { historyFrom });
  const isHidden = current !== undefined && (current.flags & FLAG.hidden) !== 0;
  const sees = !isHidden && mayRead({ kind: 'user', access }, context.id, of);
  const asked = channelsToExplain(of, reasons);
  const channels: ChannelExplanation[] = [];
  for (const channel of asked.slice(0, CHANNELS_MAX)) {
    const explained = explainChannel(channel, { principal, context, principals, reasons });
    const others = explained.held ? [] : await holders(context, channel, HOLDERS_MAX + 1);
    channels.push({ ...explained, ...(explained.held ? {} : holdersView(others)) });
  }
  const roles = missingRoles(snapshot);
  const told = {
    [subject.kind]: subject.name,
    keyspace,
    ...(about.kind === 'channel' ? { channel: about.channel } : { doc: about.id }),
    visible: sees && !disabled,
    as_of: snapshot.asOf,
    ...(subject.kind === 'user' ? { disabled } : {}),
    ...(current === undefined ? {} : { document: explainDocument(current, context.id, principal) }),
    channels,
    ...(asked.length > CHANNELS_MAX ? { more_channels: asked.length - CHANNELS_MAX } : {}),
    ...(roles.length === 0 ? {} : { missing_roles: roles }),
  };
  return { summary: summaryOf(told, { subject, sees }), ...told };
}

/**
 * What is held first, then what was; `*` where the subject has it or had it, whatever the document
 * is in.
 */
function channelsToExplain(of: readonly string[], reasons: Reasons): readonly string[] {
  const rank = (channel: string): number => {
    const some = reasons.get(channel) ?? [];
    if (channel === PUBLIC_CHANNEL || some.some(isHeld)) return 0;
    return some.length > 0 ? 1 : 2;
  };
  const all = new Set(of);
  if (reasons.has(ALL_CHANNELS)) all.add(ALL_CHANNELS);
  return [...all].toSorted((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

function explainChannel(
  channel: string,
  parts: {
    readonly principal: ExplainedPrincipal;
    readonly context: CollectionContext;
    readonly principals: Principals;
    readonly reasons: Reasons;
  },
): ChannelExplanation {
  const { principal, context, principals, reasons } = parts;
  const since = principal.access.channels(context.id).current.get(channel);
  const some = channel === PUBLIC_CHANNEL ? [] : (reasons.get(channel) ?? []);
  const view = (which: typeof some) =>
    which.map((reason) => reasonView(reason, principals.collections));
  const held = channel === PUBLIC_CHANNEL ? [EVERYONE] : view(some.filter(isHeld));
  const ended = view(some.filter((reason) => !isHeld(reason)));
  return {
    channel,
    held: since !== undefined,
    ...(since === undefined ? {} : { since }),
    ...(held.length === 0 ? {} : { reasons: held }),
    ...(ended.length === 0 ? {} : { ended }),
  };
}

function holders(
  { bucket, database, id: collection }: CollectionContext,
  channel: string,
  limit: number,
): Promise<readonly PrincipalKey[]> {
  return bucket.holdersOf(database, { kind: 'channel', collection, target: channel }, limit);
}

function holdersView(
  others: readonly PrincipalKey[],
): Pick<ChannelExplanation, 'granted_to' | 'granted_to_more'> {
  const named = others.slice(0, HOLDERS_MAX).map((key) => {
    const name = nameOf(key);
    if (key.startsWith('role:')) return `role:${name}`;
    return name === '' ? GUEST : name;
  });
  return { granted_to: named, ...(others.length > HOLDERS_MAX ? { granted_to_more: true } : {}) };
}

function explainDocument(
  { rev, seq, deleted, flags, metadata }: CurrentDocument,
  collection: CollectionId,
  { access }: ExplainedPrincipal,
): DocumentExplanation {
  const held = access.channels(collection).current;
  const present = [...metadata.channels].filter(([, { left }]) => left === undefined);
  const left = [...metadata.channels].flatMap(([channel, state]) =>
    state.left === undefined
      ? []
      : [{ channel, since: state.since, until: state.left.seq, held: held.has(channel) }],
  );
  return {
    rev,
    sequence: seq,
    deleted,
    ...((flags & FLAG.hidden) === 0 ? {} : { hidden: true as const }),
    channels: present.map(([channel, { since }]) => ({ channel, since })),
    ...(left.length === 0 ? {} : { left }),
  };
}
