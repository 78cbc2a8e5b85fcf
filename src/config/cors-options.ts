import type { Values } from './option.ts';
import { group, option } from './option.ts';
import type { ValueType } from './value-type.ts';
import { integer, listOf, text } from './value-type.ts';

/** Which pages of browsers may ask from other origins: `api.cors` and a database's `cors`. */
const CORS_OPTIONS = {
  origin: option({
    type: listOf(origin()),
    default: [],
    about: 'Origins whose pages may read answers. `*`: any, but without credentials.',
  }),
  login_origin: option({
    type: listOf(origin()),
    default: [],
    about:
      'Origins whose pages may log in and out (`POST` and `DELETE` of `_session`); those of ' +
      'others are refused (400).',
  }),
  headers: option({
    type: listOf(headerName()),
    default: [],
    about: 'Headers that such pages may send beside those that browsers always send.',
  }),
  max_age: option({
    type: integer(0, 31_536_000),
    default: 0,
    about: 'How long a browser may remember the answer of a preflight, in seconds; 0: as it likes.',
  }),
};

export type CorsConfig = Values<typeof CORS_OPTIONS>;

/** For the start-up configuration. */
export const SERVER_CORS = group(
  'Cross-origin requests of browsers on the public interface.',
  CORS_OPTIONS,
);

/** For a database. */
export const DATABASE_CORS = group(
  'Cross-origin requests of browsers. Where it is given, `api.cors` says nothing of this database.',
  CORS_OPTIONS,
);

/** As browsers send it: no path, no slash at the end, which would never match. */
function origin(): ValueType<string> {
  const type = text(1, 300);
  return {
    says: 'an origin such as "https://app.example.com" (no path, no slash at the end), or "*"',
    schema: type.schema.refine((value) => ORIGIN.test(value)),
  };
}

/** `null` and schemes without a host are what pages in applications send. */
const ORIGIN = /^(?:\*|null|[a-z][a-z0-9+.-]*:\/\/[^\s/?#,\u0080-\uffff]*)$/i;

function headerName(): ValueType<string> {
  const type = text(1, 100);
  return {
    says: 'the name of a header, or "*"',
    schema: type.schema.refine((name) => /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)),
  };
}
