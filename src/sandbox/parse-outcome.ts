import { isValidChannelName } from '../channels/channel-name.ts';
import { GatewayError } from '../util/errors.ts';
import type { SyncOutcome } from './sandbox.ts';

/** A line that a function wrote with `log` or `console`. */
export interface FunctionLine {
  readonly level: (typeof LINE_LEVELS)[number];
  readonly text: string;
}

/** What an answer tells, checked: the outcome of a call, or why the function failed. */
export type Answer = {
  readonly log: readonly FunctionLine[];
} & (
  | {
      readonly outcome: SyncOutcome;
      /** Whether what the function returned counts as true. */
      readonly truthy: boolean;
    }
  | { readonly failure: GatewayError }
);

/**
 * Reads an answer of a child (`child/realm.ts`, `answerOf`). A child is not trusted: a text that is
 * not of this form, or names that are no names, are failures of the function.
 */
export function parseAnswer(text: string): Answer {
  const log: FunctionLine[] = [];
  try {
    const answer: unknown = JSON.parse(text);
    if (!isObject(answer)) throw malformed();
    if (answer.g !== undefined) log.push(...list(answer.g).map(parseLine));
    if (answer.f !== undefined) return { log, failure: parseFailure(answer.f) };
    return { log, outcome: parseOutcome(answer), truthy: answer.t === 1 };
  } catch (cause) {
    if (cause instanceof GatewayError) return { log, failure: cause };
    return { log, failure: malformed() };
  }
}

function parseOutcome(answer: Readonly<Record<string, unknown>>): SyncOutcome {
  const askedForRights = answer.q === 1;
  if (answer.x !== undefined) {
    const [kind, reason] = list(answer.x);
    if (kind !== 'forbidden' && kind !== 'unauthorized') throw malformed();
    return {
      rejection: { kind, reason: text(reason) },
      channels: [],
      access: {},
      roles: {},
      expiry: undefined,
      askedForRights,
    };
  }
  return {
    rejection: undefined,
    channels: list(answer.c).map(channelName),
    access: answer.a === undefined ? {} : parseGrants(answer.a, channelName),
    roles: answer.o === undefined ? {} : parseGrants(answer.o, roleName),
    expiry: answer.e === undefined ? undefined : text(answer.e),
    askedForRights,
  };
}

function parseGrants(
  value: unknown,
  parseName: (value: unknown) => string,
): Readonly<Record<string, readonly string[]>> {
  // `fromEntries` defines properties, so that a user named `__proto__` is only a name.
  return Object.fromEntries(
    list(value).map((pair) => {
      const [user, names] = list(pair);
      return [principalName(user), list(names).map(parseName)];
    }),
  );
}

function parseFailure(value: unknown): GatewayError {
  const [message, line, column] = list(value);
  return functionFailed(text(message), { line: count(line), column: count(column) });
}

/** The failure of a function; `line` and `column` are 0 where they are not known. */
export function functionFailed(
  message: string,
  place: { readonly line: number; readonly column: number } = { line: 0, column: 0 },
): GatewayError {
  const { line, column } = place;
  if (line === 0) return new GatewayError('functionFailed', `sync function: ${message}`);
  const where = `line ${line}, column ${column}`;
  return new GatewayError('functionFailed', `sync function, ${where}: ${message}`, {
    details: { line, column },
  });
}

const LINE_LEVELS = ['error', 'warn', 'info', 'debug', 'trace'] as const;

function parseLine(value: unknown): FunctionLine {
  const [level, line] = list(value);
  return { level: LINE_LEVELS.find((known) => known === level) ?? 'info', text: text(line) };
}

function channelName(value: unknown): string {
  const name = text(value);
  if (isValidChannelName(name)) return name;
  throw functionFailed(`${JSON.stringify(name.slice(0, SHOWN_CHARS))} is no valid channel name`);
}

function roleName(value: unknown): string {
  const name = text(value);
  if (isPrincipalName(name)) return name;
  throw functionFailed(`${JSON.stringify(name.slice(0, SHOWN_CHARS))} is no valid role name`);
}

function principalName(value: unknown): string {
  const name = text(value);
  if (isPrincipalName(name.startsWith('role:') ? name.slice(5) : name)) return name;
  throw functionFailed(`${JSON.stringify(name.slice(0, SHOWN_CHARS))} is no valid user or role`);
}

/** Any name that can be kept: whether a principal of that name may exist is not decided here. */
function isPrincipalName(name: string): boolean {
  return (
    name !== '' && name.length <= NAME_CHARS_MAX && !name.includes('\0') && name.isWellFormed()
  );
}

const NAME_CHARS_MAX = 1000;
const SHOWN_CHARS = 100;

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function list(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value as readonly unknown[];
  throw malformed();
}

function text(value: unknown): string {
  if (typeof value === 'string') return value;
  throw malformed();
}

function count(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0;
}

const malformed = () => functionFailed('the sandbox gave an answer that cannot be read');
