import { z } from 'zod';
import { GatewayError } from '../util/errors.ts';

/** The members of a query string, decoded; of a repeated one the first. */
export type RawQuery = Readonly<Record<string, string | undefined>>;

/** `fast-querystring` gives a list for a name that is repeated; the reference takes the first. */
export function firstOfEach(parsed: Readonly<Record<string, unknown>>): RawQuery {
  const first: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const name in parsed) {
    const value = parsed[name];
    first[name] = String(Array.isArray(value) ? value[0] : value);
  }
  return first;
}

/**
 * Reads the query by a schema that names what the route knows; other names are ignored, as by the
 * reference. Throws `badRequest` with every mistake.
 */
export function readQuery<Q>(schema: z.ZodType<Q>, raw: RawQuery): Q {
  if (isEmpty(raw)) {
    const known = ofEmpty.get(schema) ?? schema.parse({});
    ofEmpty.set(schema, known as object);
    return known as Q;
  }
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  throw new GatewayError('badRequest', explain(parsed.error, 'the query parameter'));
}

/** Most requests have no query: what the schema makes of that does not change. */
const ofEmpty = new WeakMap<z.ZodType, object>();

function isEmpty(raw: RawQuery): boolean {
  for (const _ in raw) return false;
  return true;
}

/** All issues of a schema in one sentence. Values are not repeated: they may be secret. */
export function explain(error: z.ZodError, what: string): string {
  return error.issues
    .map((issue) => {
      const at = issue.path.map(String).join('.');
      return at === '' ? issue.message : `${what} ${at}: ${issue.message}`;
    })
    .join('; ');
}

const TRUE = new Set(['true', '1', 't', 'T', 'TRUE', 'True']);
const FALSE = new Set(['false', '0', 'f', 'F', 'FALSE', 'False', '']);

// NOTE: what `meta` says stands in the description of the API.

/** `true` or `false`; absent is undefined. */
export const flag = z
  .string()
  .refine((text) => TRUE.has(text) || FALSE.has(text), 'must be true or false')
  .transform((text) => TRUE.has(text))
  .optional()
  .meta({ type: 'boolean' });

/** As `flag`, but what is no boolean counts as absent, where the reference does so. */
export const lenientFlag = z
  .string()
  .transform((text) => TRUE.has(text))
  .optional()
  .meta({ type: 'boolean' });

/** A whole number of at least `least`; absent or empty is undefined. */
export const wholeNumber = (least: number): z.ZodType<number | undefined> =>
  z
    .string()
    .refine(
      (text) => text === '' || (/^\d{1,15}$/.test(text) && Number(text) >= least),
      `must be a whole number of at least ${least}`,
    )
    .transform((text) => (text === '' ? undefined : Number(text)))
    .optional()
    .meta({ type: 'integer', minimum: least });

/** A text; empty counts as absent. */
export const given = z
  .string()
  .transform((text) => (text === '' ? undefined : text))
  .optional();

/** A JSON value that the inner schema accepts. */
export const jsonValue = <T>(inner: z.ZodType<T>): z.ZodType<T | undefined> =>
  z
    .string()
    .transform((text, context) => {
      try {
        return JSON.parse(text) as unknown;
      } catch {
        context.addIssue('must be JSON');
        return z.NEVER;
      }
    })
    .pipe(inner)
    .optional()
    .meta({ contentMediaType: 'application/json', contentSchema: z.toJSONSchema(inner) });
