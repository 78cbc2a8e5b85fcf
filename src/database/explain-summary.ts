import { ALL_CHANNELS } from '../channels/channel-name.ts';
import type { Subject } from '../principals/explained-principal.ts';
import type { GrantedByView, ReasonView } from '../principals/reason-view.ts';
import type { ChannelExplanation, Explanation } from './explanation.ts';

/** Channels of which a summary tells why they are not held. */
const TOLD_MAX = 3;

/** An explanation in a few sentences. `sees`: by its channels, disabled or not. */
export function summaryOf(
  told: Omit<Explanation, 'summary'>,
  { subject, sees }: { readonly subject: Subject; readonly sees: boolean },
): string {
  const who = subject.kind === 'role' ? `The role ${subject.name}` : subject.name;
  const what = told.doc === undefined ? `what is in the channel ${told.channel ?? ''}` : told.doc;
  const sentences = sees ? whySeen(told, who, what) : whyNot(told, who, what);
  if (told.disabled === true)
    sentences.unshift(
      `${who} is disabled: every request of it is refused.`,
      sees ? 'Were it not:' : 'Nor would it see it otherwise:',
    );
  if (told.document?.deleted === true)
    sentences.push('The document is deleted: a read finds nothing, feeds tell the deletion.');
  return sentences.join(' ');
}

function whySeen(told: Omit<Explanation, 'summary'>, who: string, what: string): string[] {
  const held = told.channels.filter((each) => each.held);
  const through = held.find(({ channel }) => channel !== ALL_CHANNELS) ?? held[0];
  if (through === undefined) return [`${who} sees ${what}.`];
  const { channel } = through;
  const isIn = told.document?.channels.find((each) => each.channel === channel);
  const where =
    isIn === undefined
      ? `${who} has the channel ${named(channel)}`
      : `it is in the channel ${named(channel)} since ${isIn.since}, and ${who} has that`;
  const [first] = through.reasons ?? [];
  const others = held.length - 1;
  return [
    `${who} sees ${what}: ${where} since ${through.since ?? 1}, ${chain(first, who)}.`,
    ...(others > 0 ? [`It would also see it by ${channelCount(others)} more.`] : []),
  ];
}

function whyNot(told: Omit<Explanation, 'summary'>, who: string, what: string): string[] {
  const { document, channels, missing_roles: roles = [] } = told;
  if (document?.hidden === true)
    return [
      `${who} does not see ${what}: what an application wrote over it is not imported.`,
      'Nobody sees it; _import/rejected tells why.',
    ];
  const sentences = [`${who} does not see ${what}: ${notHeld(told, who)}.`];
  for (const each of channels.slice(0, TOLD_MAX)) sentences.push(...whyNotHeld(each, who));
  const more = channels.length - TOLD_MAX + (told.more_channels ?? 0);
  if (more > 0) sentences.push(`And so on for ${channelCount(more)} more.`);
  const left = document?.left?.find((each) => each.held);
  if (left !== undefined)
    sentences.push(
      `It was in the channel ${named(left.channel)}, which ${who} has, until ` + `${left.until}.`,
    );
  if (roles.length > 0)
    sentences.push(`Of the roles of ${who} there are no such ones now: ${roles.join(', ')}.`);
  return sentences;
}

function notHeld({ document }: Omit<Explanation, 'summary'>, who: string): string {
  if (document === undefined) return `${who} has that channel not`;
  const names = document.channels.map(({ channel }) => channel);
  if (names.length === 0)
    return 'it is in no channel, so only administrators see it, and who has the channel *';
  if (names.length === 1) return `it is in the channel ${names.join()} alone, which ${who} has not`;
  return `it is in ${channelCount(names.length)}, of which ${who} has none`;
}

function whyNotHeld(each: ChannelExplanation, who: string): readonly string[] {
  const { channel, ended = [], granted_to: others = [] } = each;
  const sentences: string[] = [];
  const last = ended.toSorted((a, b) => (b.until ?? 0) - (a.until ?? 0))[0];
  if (last !== undefined)
    sentences.push(
      `${who} had the channel ${named(channel)} from ${last.since} until ${last.until ?? 0}, ` +
        `${chain(last, who)}.`,
    );
  if (channel === ALL_CHANNELS) return sentences;
  const more = each.granted_to_more === true ? ' and others' : '';
  sentences.push(
    others.length === 0
      ? `Nothing grants the channel ${named(channel)} to anybody now.`
      : `The channel ${named(channel)} is granted to ${others.join(', ')}${more}.`,
  );
  return sentences;
}

/** How somebody came by a channel. */
function chain(reason: ReasonView | undefined, who: string): string {
  if (reason === undefined) return 'which every user has';
  const { granted_by: by, role } = reason;
  if (by.kind === 'everyone') return 'which every user has';
  if (role === undefined) return `granted by ${granter(by)}`;
  return (
    `by the role ${role.name}, which has it by ${granter(by)} and which ${who} has since ` +
    `${role.since} by ${granter(role.granted_by)}`
  );
}

function granter({ kind, doc = '', keyspace, issuer = '' }: GrantedByView): string {
  if (kind === 'jwt') return `a token of ${issuer}`;
  if (kind !== 'document') return 'an administrator';
  return keyspace === undefined ? `the document ${doc}` : `the document ${doc} of ${keyspace}`;
}

const named = (channel: string): string =>
  channel === ALL_CHANNELS ? '* (all channels)' : channel;

const channelCount = (count: number): string => (count === 1 ? '1 channel' : `${count} channels`);
