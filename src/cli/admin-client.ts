import { EXIT } from './exit-codes.ts';

/** What the command line tells instead of a stack: `exitCode` ends the process. */
export class CommandProblem extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT.failed) {
    super(message);
    this.exitCode = exitCode;
  }
}

export interface AdminRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** Begins with `/`; names in it are encoded. */
  readonly path: string;
  /** Sent as JSON. */
  readonly json?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface AdminAnswer {
  readonly status: number;
  /** Undefined where the body is none. */
  readonly json: unknown;
  readonly etag: string | undefined;
}

/** A change waits for the requests that are open: `offline_drain_secs`, an hour at most. */
const ANSWER_MS_MAX = 3_700_000;

/** The admin port of a running gateway. */
export class AdminClient {
  readonly #url: string;

  constructor(url: string) {
    if (!/^https?:\/\/[^\s/]+/iu.test(url) || !URL.canParse(url))
      throw new CommandProblem(`--admin: ${url} is no URL such as ${DEFAULT_ADMIN}`, EXIT.usage);
    this.#url = url.replace(/\/+$/, '');
  }

  /** Throws a CommandProblem with the gateway's reason, for a status that is an error. */
  async send(request: AdminRequest): Promise<AdminAnswer> {
    const answer = await this.try(request);
    if (answer.status < 400) return answer;
    const { reason, error } = (answer.json ?? {}) as { reason?: unknown; error?: unknown };
    const why = [reason, error, 'no reason is told'].find(
      (text): text is string => typeof text === 'string' && text !== '',
    );
    throw new CommandProblem(`${why} (status ${answer.status})`);
  }

  /** As `send`, and gives errors back as they are. */
  async try({ method, path, json, headers = {} }: AdminRequest): Promise<AdminAnswer> {
    const response = await this.#fetch(`${this.#url}${path}`, {
      method,
      redirect: 'manual',
      headers: json === undefined ? headers : { ...headers, 'Content-Type': 'application/json' },
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      json: parsed(text),
      etag: response.headers.get('etag') ?? undefined,
    };
  }

  async #fetch(url: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(url, init);
    } catch (cause) {
      const inner = cause instanceof Error ? (cause.cause ?? cause) : cause;
      const { code, message } = inner as { code?: string; message?: string };
      const why = code ?? message ?? String(inner);
      throw new CommandProblem(
        `no answer from the admin port at ${this.#url} (${why}): is the gateway running? ` +
          '--admin names another one',
      );
    }
  }
}

export const DEFAULT_ADMIN = 'http://127.0.0.1:4985';

/** As a segment of a path. */
export const segment = (name: string): string => encodeURIComponent(name);

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not every answer has a body, and not every body is JSON.
    return undefined;
  }
}
