import { GatewayError } from '../util/errors.ts';

/** The names in the braces of a path such as `/{db}/_user/{name}`. */
export type ParameterName<Path extends string> =
  Path extends `${string}{${infer Name}}${infer Rest}` ? Name | ParameterName<Rest> : never;

export type Parameters<Path extends string> = { readonly [N in ParameterName<Path>]: string };

/** The names of a path's parameters, in order. */
export function parameterNames(path: string): readonly string[] {
  return Array.from(path.matchAll(/\{(\w+)\}/g), (match) => match[1] ?? '');
}

/** The path with its parameters unnamed: routes of one shape share their `Allow`. */
export function shapeOf(path: string): string {
  return path.replaceAll(/\{\w+\}/g, '{}');
}

/**
 * Names that are no value of a parameter make the path one that does not exist: whatever begins
 * with an underscore is an endpoint of ours, or would be. Throws `missing`; `forbidden` for design
 * documents, which hold code (recorded in docs/odd-ids).
 */
export function checkParameter(name: string, value: string): void {
  if (value === '') throw noSuchPath();
  if (!value.startsWith('_') || !RESERVING.has(name)) return;
  if (name === 'docid' && value.startsWith('_design/'))
    throw new GatewayError('forbidden', 'design documents are not served');
  throw noSuchPath();
}

export const noSuchPath = (): GatewayError => new GatewayError('missing', 'unknown URL');

const RESERVING: ReadonlySet<string> = new Set(['db', 'newdb', 'keyspace', 'docid']);

/** The database and the rest (`scope.collection`, `collection` or nothing) of a keyspace. */
export function splitKeyspace(keyspace: string): {
  readonly database: string;
  readonly rest: string | undefined;
} {
  const dot = keyspace.indexOf('.');
  if (dot < 0) return { database: keyspace, rest: undefined };
  return { database: keyspace.slice(0, dot), rest: keyspace.slice(dot + 1) };
}
