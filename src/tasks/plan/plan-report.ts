import { z } from 'zod';
import { GUEST, nameOf } from '../../principals/principal-name.ts';
import type { ChannelMoves } from './channel-moves.ts';
import type { Difference, Holders } from './holders.ts';
import { SAMPLES_MAX } from './samples.ts';

/** Channels, users and roles that a report names, of each kind. */
const LISTED_MAX = 10_000;

const sample = z.object({ collection: z.string(), id: z.string() });
const samples = z.array(sample).readonly();

const difference = z.object({
  name: z.string(),
  docs_gained: z.int(),
  docs_lost: z.int(),
  gained: samples,
  lost: samples,
});

/** What a completed plan tells; lists begin with those that differ most. */
export const planReportSchema = z.object({
  docs_refused: z.int(),
  /** The first hundred. */
  refused: z.array(z.object({ collection: z.string(), id: z.string(), reason: z.string() })),
  channels: z.array(
    z.object({
      collection: z.string(),
      channel: z.string(),
      docs_entering: z.int(),
      docs_leaving: z.int(),
      entering: samples,
      leaving: samples,
    }),
  ),
  users: z.array(difference),
  roles: z.array(difference),
  /** Of a resync by one process that serves nobody meanwhile. */
  estimated_seconds: z.int(),
  /** What there was no place for; empty: nothing. */
  left_out: z.array(z.string()),
});

export type PlanReport = z.output<typeof planReportSchema>;

export interface ReportParts {
  readonly docsRefused: number;
  readonly refused: PlanReport['refused'];
  readonly moves: ChannelMoves;
  readonly holders: Holders;
  /** What the gathering left out. */
  readonly leftOut: readonly string[];
  readonly estimatedSeconds: number;
}

export function planReport(parts: ReportParts): PlanReport {
  const leftOut = [...parts.leftOut];
  const listed = <T>(what: string, all: readonly T[]): readonly T[] => {
    if (all.length > LISTED_MAX)
      leftOut.push(`${all.length - LISTED_MAX} more ${what}, with smaller differences`);
    return all.slice(0, LISTED_MAX);
  };
  const { moves, holders } = parts;
  if (moves.notCounted > 0)
    leftOut.push(`${moves.notCounted} times that documents enter or leave further channels`);
  const differing = holders.differences
    .filter(({ gained, lost }) => gained + lost > 0)
    .toSorted((a, b) => b.gained + b.lost - a.gained - a.lost);
  const isUser = ({ principal }: Difference): boolean => principal.startsWith('user:');
  const channels = [...moves.moves]
    .filter(({ entering, leaving }) => entering + leaving > 0)
    .toSorted((a, b) => b.entering + b.leaving - a.entering - a.leaving);
  return {
    docs_refused: parts.docsRefused,
    refused: parts.refused,
    channels: listed('channels', channels).map((move) => ({
      collection: move.collection,
      channel: move.channel,
      docs_entering: move.entering,
      docs_leaving: move.leaving,
      entering: move.enteringSamples.slice(0, SAMPLES_MAX),
      leaving: move.leavingSamples.slice(0, SAMPLES_MAX),
    })),
    users: listed('users', differing.filter(isUser)).map(row),
    roles: listed(
      'roles',
      differing.filter((each) => !isUser(each)),
    ).map(row),
    estimated_seconds: parts.estimatedSeconds,
    left_out: leftOut,
  };
}

function row(difference: Difference): PlanReport['users'][number] {
  const name = nameOf(difference.principal);
  return {
    name: name === '' ? GUEST : name,
    docs_gained: difference.gained,
    docs_lost: difference.lost,
    gained: difference.gainedSamples,
    lost: difference.lostSamples,
  };
}
