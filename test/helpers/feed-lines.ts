import { setTimeout as sleep } from 'node:timers/promises';

/** The longest wait for a row, ms. */
const ROW_WITHIN_MS = 15_000;

/** A continuous feed that stays open while its rows are awaited one by one. */
export class FeedLines implements AsyncDisposable {
  readonly #lines: AsyncGenerator<string>;
  readonly #stop: AbortController;

  private constructor(lines: AsyncGenerator<string>, stop: AbortController) {
    this.#lines = lines;
    this.#stop = stop;
  }

  /** `url` is a `_changes` URL with what it takes beside `feed`. */
  static async open(
    url: string,
    { as, headers = {} }: { readonly as?: string; readonly headers?: Record<string, string> } = {},
  ): Promise<FeedLines> {
    const stop = new AbortController();
    const response = await fetch(`${url}${url.includes('?') ? '&' : '?'}feed=continuous`, {
      signal: stop.signal,
      headers: { ...(as === undefined ? {} : { authorization: `Basic ${btoa(as)}` }), ...headers },
    });
    if (!response.ok || response.body === null)
      throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
    // NOTE: piped at once: a body that nobody reads is cancelled when its response is collected.
    return new FeedLines(linesOf(response.body.pipeThrough(new TextDecoderStream())), stop);
  }

  /** The next row; undefined where the feed has ended. */
  async next(): Promise<FeedLine | undefined> {
    using waiting = new DisposableStack();
    const enough = new AbortController();
    waiting.defer(() => enough.abort());
    const late = sleep(ROW_WITHIN_MS, undefined, { signal: enough.signal, ref: false });
    const step = await Promise.race([this.#lines.next(), late]);
    if (step === undefined) throw new Error(`no row within ${ROW_WITHIN_MS} ms`);
    return step.done === true ? undefined : (JSON.parse(step.value) as FeedLine);
  }

  /** Reads on until the row of this document. */
  async rowOf(id: string): Promise<FeedLine> {
    for (;;) {
      const row = await this.next();
      if (row === undefined) throw new Error(`the feed ended without a row of ${id}`);
      if (row.id === id) return row;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    // NOTE: a row that is still awaited ends with the abort, which is what was asked for.
    await this.#lines.return(undefined).catch(() => undefined);
  }
}

export interface FeedLine {
  readonly seq: number | string;
  readonly id: string;
  readonly changes: readonly { readonly rev: string }[];
  readonly deleted?: boolean;
  readonly removed?: readonly string[];
  readonly revoked?: true;
  readonly doc?: Readonly<Record<string, unknown>>;
}

async function* linesOf(texts: ReadableStream<string>): AsyncGenerator<string> {
  let rest = '';
  for await (const text of texts) {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') yield line;
  }
  if (rest.trim() !== '') throw new Error(`the feed ended within a row: ${rest}`);
}
