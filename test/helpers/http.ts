/** One request to a gateway; the answer's body is read whole and parsed where it is JSON. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // NOTE: answers are of any shape; a test states what it expects of this one.
  readonly json: JsonValue;
}

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

export interface RequestOptions {
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is. */
  readonly body?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  /** `name:password`, by Basic authentication. */
  readonly as?: string;
  readonly signal?: AbortSignal;
}

/** The longest that a test waits for one answer, ms. */
const ANSWER_WITHIN_MS = 30_000;

export async function request(
  method: string,
  url: string,
  options: RequestOptions = {},
): Promise<Answer> {
  const headers: Record<string, string> = { ...options.headers };
  if (options.as !== undefined)
    headers['authorization'] = `Basic ${Buffer.from(options.as).toString('base64')}`;
  if (options.json !== undefined) headers['content-type'] ??= 'application/json';
  const body = options.json === undefined ? options.body : JSON.stringify(options.json);
  const response = await fetch(url, {
    method,
    headers,
    redirect: 'manual',
    signal: options.signal ?? AbortSignal.timeout(ANSWER_WITHIN_MS),
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: parse(text) };
}

function parse(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    // Not every answer is JSON; a test that expects JSON then finds undefined.
    return undefined;
  }
}
