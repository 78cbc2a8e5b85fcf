import { z } from 'zod';

/**
 * What an option's value may be: how it is checked, and how that is said in a message and in the
 * reference page (`says` completes "must be …").
 */
export interface ValueType<Out, In = Out> {
  readonly says: string;
  readonly schema: z.ZodType<Out, In>;
}

/** A length of time, as the reference writes it: Go's form, "1m30s". */
export interface Duration {
  readonly ms: number;
}

/** Where a server listens; `host` is without brackets, `` means every interface. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

const TEXT_LENGTH_MAX = 65_536;
/** As the largest document: a function may be long. */
const JAVASCRIPT_LENGTH_MAX = 20_971_520;
const LIST_LENGTH_MAX = 50_000;
const PORT_MAX = 65_535;
const DURATION_MS_MAX = 365 * 24 * 3600 * 1000;

export const flag: ValueType<boolean> = { says: 'true or false', schema: z.boolean() };

export function integer(min: number, max: number = Number.MAX_SAFE_INTEGER): ValueType<number> {
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  return { says: `a whole number ${range}`, schema: z.int().min(min).max(max) };
}

export function text(lengthMin = 0, lengthMax = TEXT_LENGTH_MAX): ValueType<string> {
  return {
    says:
      lengthMax === TEXT_LENGTH_MAX
        ? lengthMin === 0
          ? 'a string'
          : 'a string that is not empty'
        : `a string of ${lengthMin} to ${lengthMax} characters`,
    schema: z.string().min(lengthMin).max(lengthMax),
  };
}

/** Source of one function; whether it compiles is the sandbox's to say. */
export const javascript: ValueType<string> = {
  says: 'a string with the source of one JavaScript function',
  schema: z.string().max(JAVASCRIPT_LENGTH_MAX),
};

export function oneOf<const T extends string>(...values: readonly [T, ...T[]]): ValueType<T> {
  return {
    says: `one of ${values.map((value) => JSON.stringify(value)).join(', ')}`,
    schema: z.enum(values),
  };
}

export function listOf<Out, In>(
  item: ValueType<Out, In>,
): ValueType<readonly Out[], readonly In[]> {
  return {
    says: `a list, each of it ${item.says}`,
    schema: z.array(item.schema).max(LIST_LENGTH_MAX).readonly(),
  };
}

export const webUrl: ValueType<string> = {
  says: 'an absolute URL that begins with http:// or https://',
  schema: text(1, 4096).schema.refine((value) => {
    const parsed = URL.parse(value);
    return parsed?.protocol === 'http:' || parsed?.protocol === 'https:';
  }),
};

/** JSON that this version looks no further into. */
export const anything: ValueType<unknown> = { says: 'any JSON value', schema: z.unknown() };

/** A number in one of several ranges: 0, or from `min` to `max`. */
export function zeroOr(min: number, max: number): ValueType<number> {
  return {
    says: `0, or a number from ${min} to ${max}`,
    schema: z.number().refine((value) => value === 0 || (value >= min && value <= max)),
  };
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

export const duration: ValueType<Duration, string> = {
  says: 'a duration such as "500ms", "5s" or "1m30s", of at most a year',
  schema: z.string().transform((value, context): Duration => {
    const ms = parseDurationMs(value);
    if (ms === undefined || ms > DURATION_MS_MAX) {
      context.addIssue({ code: 'custom', message: 'no duration' });
      return z.NEVER;
    }
    return { ms };
  }),
};

function parseDurationMs(value: string): number | undefined {
  if (value === '0') return 0;
  if (value.length > 64 || !/^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/u.test(value))
    return undefined;
  let ms = 0;
  for (const [, amount, unit] of value.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/gu)) {
    ms += Number(amount) * (UNIT_MS[unit ?? ''] ?? 0);
  }
  return ms;
}

export const address: ValueType<Address, string> = {
  says: 'HOST:PORT, such as "127.0.0.1:4984", "[::1]:4984" or ":4984" (every interface)',
  schema: z.string().transform((value, context): Address => {
    const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s/]*)):(\d{1,5})$/.exec(value);
    const port = Number(match?.[3]);
    if (match === null || value.length > 300 || port > PORT_MAX) {
      context.addIssue({ code: 'custom', message: 'no address' });
      return z.NEVER;
    }
    return { host: match[1] ?? match[2] ?? '', port };
  }),
};

/** Whether only this machine reaches it: 127.0.0.0/8, ::1 and localhost. */
export function isLoopback(host: string): boolean {
  const byte = '(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)';
  return (
    host === '::1' ||
    host.toLowerCase() === 'localhost' ||
    new RegExp(`^127\\.${byte}\\.${byte}\\.${byte}$`).test(host)
  );
}
