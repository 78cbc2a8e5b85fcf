import { GatewayError } from '../util/errors.ts';
import type { ErrorTag } from '../util/errors.ts';

/**
 * How HTTP tells an error: the status, the word of an answer, the word of a row in a bulk answer.
 */
type HttpError = readonly [status: number, word: string, bulkWord: string];

/** The only table from tags to statuses. Words as the reference writes them (`admin.md` §1). */
const HTTP = {
  missing: [404, 'not_found', 'not_found'],
  deleted: [404, 'not_found', 'not_found'],
  conflict: [409, 'conflict', 'conflict'],
  forbidden: [403, 'Forbidden', 'forbidden'],
  unauthorized: [401, 'Unauthorized', 'unauthorized'],
  badRequest: [400, 'Bad Request', 'bad_request'],
  preconditionFailed: [412, 'Precondition Failed', 'precondition_failed'],
  databaseExists: [412, 'Precondition Failed', 'precondition_failed'],
  unsupportedMediaType: [415, 'Unsupported Media Type', 'unsupported_media_type'],
  methodNotAllowed: [405, 'Method Not Allowed', 'method_not_allowed'],
  tooLarge: [413, 'Request Entity Too Large', 'too_large'],
  tooSlow: [408, 'Request Timeout', 'request_timeout'],
  rangeNotSatisfiable: [416, 'Requested Range Not Satisfiable', 'range_not_satisfiable'],
  unavailable: [503, 'Service Unavailable', 'service_unavailable'],
  functionFailed: [500, 'Internal Server Error', 'internal_server_error'],
  corrupt: [500, 'Internal Server Error', 'internal_server_error'],
} as const satisfies Record<ErrorTag, HttpError>;

/** Tags whose reasons are for the log alone. */
const SILENT: ReadonlySet<ErrorTag> = new Set(['corrupt']);
const INTERNAL = 'internal error; the log of the gateway has the particulars';

export interface ToldError {
  readonly status: number;
  readonly word: string;
  readonly bulkWord: string;
  readonly reason: string;
  /** Whether the cause is a failure of ours that the log must tell. */
  readonly internal: boolean;
}

/**
 * What a client is told of an error; everything that is no GatewayError is a bug and told as such.
 */
export function tellError(cause: unknown): ToldError {
  if (!(cause instanceof GatewayError))
    return { ...told('corrupt'), reason: INTERNAL, internal: true };
  const silent = SILENT.has(cause.tag);
  return { ...told(cause.tag), reason: silent ? INTERNAL : cause.message, internal: silent };
}

/** A row of `_bulk_docs` or `_bulk_get` that tells an error. */
export function bulkErrorRow(
  cause: unknown,
  { id, rev }: { readonly id: string; readonly rev?: string | undefined },
): Readonly<Record<string, unknown>> {
  const { status, bulkWord, reason } = tellError(cause);
  return { error: bulkWord, id, reason, ...(rev === undefined ? {} : { rev }), status };
}

function told(tag: ErrorTag): Pick<ToldError, 'status' | 'word' | 'bulkWord'> {
  const [status, word, bulkWord] = HTTP[tag];
  return { status, word, bulkWord };
}

/** The status that tells an error of this tag. */
export function statusOf(tag: ErrorTag): number {
  return HTTP[tag][0];
}

/** From here on a status tells a failure of ours. */
export const INTERNAL_STATUS = 500;

/** What is told of a request that node's parser gave up, by the code of its error. */
export function refusalOf(code: string | undefined): readonly [status: number, word: string] {
  if (code === 'HPE_HEADER_OVERFLOW') return [431, 'Request Header Fields Too Large'];
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return [408, 'Request Timeout'];
  return [400, 'Bad Request'];
}
