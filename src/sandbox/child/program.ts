import type * as FileSystem from 'node:fs';
import type * as VirtualMachine from 'node:vm';
import type { Limits } from '../limits.ts';
import type { Realm } from './realm.ts';
import type { ASK_AGAIN, OPERATIONS } from '../wire.ts';

type Vm = typeof VirtualMachine;
type Fs = typeof FileSystem;

/** What the program is made of; `program-text.ts` puts it together in the child. */
export interface ProgramParts {
  readonly fs: Fs;
  readonly vm: Vm;
  readonly nextFrame: () => Buffer | undefined;
  /** The text of `makeRealm` and what it uses, as an expression. */
  readonly realmText: string;
  readonly limits: Limits;
  readonly operations: typeof OPERATIONS;
  readonly askAgain: typeof ASK_AGAIN;
}

/** A compiled function: the contexts of a child share nothing. */
interface Compiled {
  readonly script: VirtualMachine.Script;
  readonly source: string;
  readonly writers: Map<number, string>;
  context: VirtualMachine.Context;
  realm: Realm;
}

/**
 * The child's whole life: reads a batch, runs its items one by one, answers, until the input ends.
 * Nothing of the program's own realm is ever handed to a function: only primitives cross.
 *
 * NOTE: the text of these functions is run in the child.
 */
export function runProgram(parts: ProgramParts): void {
  const { fs, operations, askAgain, limits } = parts;
  const BATCHES_A_TURN = 256;
  const functions = new Map<number, Compiled>();
  const { define, call } = functionRunner(parts);
  const progress = Buffer.alloc(8);

  function answerItem(item: ReadItem): string {
    const { operation, slot, extra, texts } = item;
    const [first = ''] = texts;
    if (operation === operations.define) return define(functions, slot, first);
    if (operation === operations.forget) {
      functions.delete(slot);
      return '';
    }
    const compiled = functions.get(slot);
    if (compiled === undefined) return '{"f":["the function is not known",0,0]}';
    if (operation === operations.call) return call(compiled, texts, extra);
    compiled.writers.set(extra, first);
    if (first === '') compiled.writers.delete(extra);
    compiled.realm.setWriter(extra, first);
    return '';
  }

  function answerBatch(frame: Buffer): void {
    const batch = frame.readUInt32LE(0);
    const items = readItems(frame);
    progress.writeUInt32LE(batch, 0);
    const { writeSync } = fs;
    const answers: Buffer[] = [];
    let bytes = 0;
    for (let i = 0; i < items.length; i++) {
      const item = items[i] as ReadItem;
      const runs = item.operation === operations.call || item.operation === operations.define;
      if (runs) {
        progress.writeUInt32LE(i, 4);
        writeSync(3, progress, 0, 8, 0);
      }
      const full = bytes > limits.answersBytes && item.operation === operations.call;
      const answer = Buffer.from(full ? askAgain : answerItem(item));
      bytes += answer.length;
      answers.push(answer);
    }
    writeAnswers(fs, batch, answers);
  }

  function turn(): void {
    for (let i = 0; i < BATCHES_A_TURN; i++) {
      const frame = parts.nextFrame();
      if (frame === undefined) process.exit(0);
      answerBatch(frame);
    }
    // The engine's own housekeeping (rejected promises, collected memory) waits for the event loop.
    setImmediate(turn);
  }

  refuseRights();
  writeAnswers(fs, 0, []);
  turn();
}

/** A child that may do more than its parent believes does not start. */
export function refuseRights(): void {
  const rights = ['fs.read', 'fs.write', 'child', 'worker', 'addon', 'wasi', 'inspector'];
  const had = rights.filter((right) => process.permission?.has(right) !== false);
  if (had.length > 0) throw new Error(`bug: the sandbox has the right ${had.join()}`);
}

interface ReadItem {
  readonly operation: number;
  readonly slot: number;
  readonly extra: number;
  readonly texts: readonly string[];
}

export function readItems(frame: Buffer): readonly ReadItem[] {
  const count = frame.readUInt32LE(4);
  const items: ReadItem[] = [];
  let at = 8;
  for (let i = 0; i < count; i++) {
    const texts: string[] = [];
    const item = {
      operation: frame.readUInt8(at),
      slot: frame.readUInt32LE(at + 1),
      extra: frame.readUInt32LE(at + 5),
      texts,
    };
    const textCount = frame.readUInt8(at + 9);
    at += 10;
    for (let t = 0; t < textCount; t++) {
      const end = at + 4 + frame.readUInt32LE(at);
      texts.push(frame.toString('utf8', at + 4, end));
      at = end;
    }
    items.push(item);
  }
  return items;
}

export function writeAnswers(fs: Fs, batch: number, answers: readonly Buffer[]): void {
  let length = 12;
  for (const answer of answers) length += 4 + answer.length;
  const frame = Buffer.allocUnsafe(length);
  frame.writeUInt32LE(length - 4, 0);
  frame.writeUInt32LE(batch, 4);
  frame.writeUInt32LE(answers.length, 8);
  let at = 12;
  for (const answer of answers) {
    frame.writeUInt32LE(answer.length, at);
    answer.copy(frame, at + 4);
    at += 4 + answer.length;
  }
  for (let written = 0; written < frame.length;)
    written += fs.writeSync(1, frame, written, frame.length - written);
}

/** Compiles functions, each in a context of its own, and calls them. */
export function functionRunner({ vm, realmText, limits }: ProgramParts): {
  define: (functions: Map<number, Compiled>, slot: number, source: string) => string;
  call: (compiled: Compiled, args: readonly string[], writer: number) => string;
} {
  const realmScript = new vm.Script(realmText, { filename: 'realm' });
  // Running an empty script runs the promise jobs of its context, and waits until none is left.
  const drain = new vm.Script('');

  function freshRealm(): Pick<Compiled, 'context' | 'realm'> {
    const context = vm.createContext(vm.constants.DONT_CONTEXTIFY, {
      codeGeneration: { strings: false, wasm: false },
      microtaskMode: 'afterEvaluate',
    });
    const make = realmScript.runInContext(context) as (limits: string) => Realm;
    return { context, realm: make(JSON.stringify(limits)) };
  }

  /** Evaluates the source, and hands what it gives to the realm. A text is a failure's answer. */
  function evaluate({ script, source, context, realm }: Compiled): string {
    try {
      const message = realm.install(script.runInContext(context), source);
      return message === '' ? '' : JSON.stringify({ f: [message, 0, 0] });
    } catch (thrown) {
      return realm.failure(thrown);
    }
  }

  return {
    define(functions, slot, source) {
      functions.delete(slot);
      let script;
      try {
        script = compileFunction(vm, source);
      } catch (error) {
        return JSON.stringify({ f: syntaxFailure(error as SyntaxError, source) });
      }
      const compiled = { script, source, writers: new Map<number, string>(), ...freshRealm() };
      const failure = evaluate(compiled);
      if (failure !== '') return failure;
      functions.set(slot, compiled);
      return '{}';
    },
    call(compiled, args, writer) {
      if (compiled.realm.spoiled()) {
        Object.assign(compiled, freshRealm());
        evaluate(compiled);
        for (const [slot, json] of compiled.writers) compiled.realm.setWriter(slot, json);
      } else if (compiled.realm.needsEvaluation()) {
        const failure = evaluate(compiled);
        if (failure !== '') return failure;
      }
      const { realm } = compiled;
      realm.call(args, writer);
      drain.runInContext(compiled.context);
      return realm.finish();
    },
  };
}

/** The source as one expression, with the administrator's own lines and columns in errors. */
export function compileFunction(vm: Vm, source: string): VirtualMachine.Script {
  // The same text must be an element of a list too: so brackets in it cannot end ours.
  new vm.Script(`[${source}\n]`, { filename: 'sync-function', columnOffset: -1 });
  return new vm.Script(`(${source}\n)`, { filename: 'sync-function', columnOffset: -1 });
}

/** Message, line and column of a syntax error, as the head of its stack tells them. */
export function syntaxFailure(
  error: SyntaxError,
  source: string,
): readonly [message: string, line: number, column: number] {
  const [place = '', , marks = ''] = String(error.stack).split('\n');
  const line = Number(/^sync-function:(\d+)$/.exec(place)?.[1] ?? 0);
  const lines = source.split('\n');
  if (line > lines.length)
    return [
      'SyntaxError: unexpected end of the source',
      lines.length,
      (lines.at(-1) ?? '').length + 1,
    ];
  const column = marks.indexOf('^') + 1;
  return [`SyntaxError: ${error.message}`, line, line === 1 ? Math.max(column - 1, 0) : column];
}
