import type { Log } from '../observability/log.ts';
import { systemClock, type Clock } from '../util/clock.ts';
import { GatewayError, isGatewayError } from '../util/errors.ts';
import { COMPILED } from './batch.ts';
import type { FunctionRecord } from './child-contents.ts';
import { Dispatcher } from './dispatcher.ts';
import { LIMITS, type Limits } from './limits.ts';
import { functionFailed, parseAnswer } from './parse-outcome.ts';
import type {
  FilterFunction,
  FunctionOptions,
  Sandbox,
  SyncFunction,
  SyncInput,
  SyncOutcome,
  SyncTrace,
} from './sandbox.ts';

export interface SandboxOptions {
  readonly log: Log;
  readonly clock?: Clock;
  /** Limits other than the usual ones. */
  readonly limits?: Partial<Limits>;
}

/** Starts a sandbox. Throws `unavailable` where no child can be started. */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const { log, clock = systemClock } = options;
  const limits = { ...LIMITS, ...options.limits };
  const dispatcher = new Dispatcher({ limits, clock, log: log.with({ key: 'Javascript' }) });
  try {
    await dispatcher.started;
  } catch (cause) {
    await dispatcher[Symbol.asyncDispose]();
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new GatewayError('unavailable', `the sandbox does not start: it ${reason}`, { cause });
  }
  return new ChildSandbox(dispatcher, limits);
}

class ChildSandbox implements Sandbox {
  readonly #dispatcher: Dispatcher;
  readonly #limits: Limits;
  #lastId = 0;

  constructor(dispatcher: Dispatcher, limits: Limits) {
    this.#dispatcher = dispatcher;
    this.#limits = limits;
  }

  async syncFunction(source: string, options: FunctionOptions): Promise<ChildSyncFunction> {
    const record = await this.#compile(source, options.timeoutMs);
    const { log } = options;
    return new ChildSyncFunction(record, {
      dispatcher: this.#dispatcher,
      limits: this.#limits,
      log,
    });
  }

  async filterFunction(source: string, options: FunctionOptions): Promise<FilterFunction> {
    return new ChildFilterFunction(await this.syncFunction(source, options));
  }

  async check(source: string): Promise<void> {
    this.#dispatcher.forget(await this.#compile(source, 0));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher[Symbol.asyncDispose]();
  }

  async #compile(text: string, timeoutMs: number): Promise<FunctionRecord> {
    const { sourceChars } = this.#limits;
    if (text.length > sourceChars)
      throw new GatewayError('badRequest', `sync function: longer than ${sourceChars} characters`);
    // A semicolon after the function is usual, and would end the expression that it is.
    const source = text.replace(/[;\s]+$/, '');
    if (source === '') throw new GatewayError('badRequest', 'sync function: the source is empty');
    const record = { id: ++this.#lastId, source, timeoutMs };
    try {
      const answer = await this.#dispatcher.submit(record);
      if (answer === COMPILED) return record;
      const parsed = parseAnswer(answer);
      throw 'failure' in parsed
        ? parsed.failure
        : functionFailed('evaluating it threw a rejection');
    } catch (cause) {
      if (!isGatewayError(cause, 'functionFailed')) throw cause;
      throw new GatewayError('badRequest', cause.message, { details: cause.details, cause });
    }
  }
}

interface CallResult {
  readonly outcome: SyncOutcome;
  readonly truthy: boolean;
}

interface FunctionParts {
  readonly dispatcher: Dispatcher;
  readonly limits: Limits;
  readonly log: Log;
}

class ChildSyncFunction implements SyncFunction {
  readonly #record: FunctionRecord;
  readonly #parts: FunctionParts;

  constructor(record: FunctionRecord, parts: FunctionParts) {
    this.#record = record;
    this.#parts = parts;
  }

  async run(input: SyncInput): Promise<SyncOutcome> {
    return this.#resultOf(await this.#submit(input)).outcome;
  }

  async trace(input: SyncInput): Promise<SyncTrace> {
    const broken = { outcome: undefined, truthy: false };
    try {
      const answer = parseAnswer(await this.#submit(input));
      if ('failure' in answer) return { ...broken, failure: answer.failure, log: answer.log };
      const { outcome, truthy, log } = answer;
      return { outcome, truthy, failure: undefined, log };
    } catch (cause) {
      // Past a limit, and so without a word.
      if (!isGatewayError(cause, 'functionFailed')) throw cause;
      return { ...broken, failure: cause, log: [] };
    }
  }

  async call(input: SyncInput): Promise<CallResult> {
    return this.#resultOf(await this.#submit(input));
  }

  #submit(input: SyncInput): Promise<string> {
    const { dispatcher, limits } = this.#parts;
    if (input.doc.length + (input.oldDoc?.length ?? 0) + input.meta.length > limits.callChars)
      throw functionFailed(`the document is longer than ${limits.callChars} characters`);
    return dispatcher.submit(this.#record, input);
  }

  #resultOf(text: string): CallResult {
    const { log } = this.#parts;
    const answer = parseAnswer(text);
    for (const { level, text: line } of answer.log)
      log[level]?.('sync function wrote', { text: line });
    if ('failure' in answer) throw answer.failure;
    return answer;
  }

  [Symbol.dispose](): void {
    this.#parts.dispatcher.forget(this.#record);
  }
}

/** It is called as a sync function is; what that says beside its answer is passed over. */
class ChildFilterFunction implements FilterFunction {
  readonly #function: ChildSyncFunction;

  constructor(called: ChildSyncFunction) {
    this.#function = called;
  }

  async accepts(doc: string): Promise<boolean> {
    try {
      const { outcome, truthy } = await this.#function.call({
        doc,
        oldDoc: null,
        meta: 'null',
        writer: null,
      });
      if (outcome.rejection === undefined) return truthy;
      throw functionFailed(`threw: ${outcome.rejection.reason}`);
    } catch (cause) {
      if (!isGatewayError(cause, 'functionFailed')) throw cause;
      const message = cause.message.replace(/^sync function/, 'filter');
      throw new GatewayError('functionFailed', message, { details: cause.details, cause });
    }
  }

  [Symbol.dispose](): void {
    this.#function[Symbol.dispose]();
  }
}
