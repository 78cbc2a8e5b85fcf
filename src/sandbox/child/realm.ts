import type { Limits } from '../limits.ts';
import { harden } from './harden.ts';
import {
  freshState,
  logHelpers,
  requireHelpers,
  routingHelpers,
  type CallState,
  type RealmWriter,
} from './sync-helpers.ts';
import { describeThrown, type Thrown } from './thrown.ts';

/**
 * What a context gives to the program around it. Only strings, numbers and booleans cross, except
 * for the function itself and what evaluating it threw, which the program hands on unseen.
 */
export interface Realm {
  /** Takes the function; `source` is its whole text. Gives a message where it is none, or ``. */
  install(value: unknown, source: string): string;
  /** Whether the source is more than one function, and must be evaluated for each call anew. */
  needsEvaluation(): boolean;
  setWriter(slot: number, json: string): void;
  /** Runs the function. Its answer is had from `finish`, after promises have run. */
  call(args: readonly string[], writer: number): void;
  /** What was thrown while the source was evaluated, as an answer. */
  failure(thrown: unknown): string;
  /** The answer as JSON text; undoes what the call left behind. */
  finish(): string;
  /** Whether the call left something that cannot be undone: then the realm is not used again. */
  spoiled(): boolean;
}

/**
 * Makes a realm into one in which a function runs: built-ins frozen, what could wait, share or
 * compile removed, and the helpers of the sync function API put in.
 *
 * NOTE: the text of these functions is run in the child (`program-text.ts`).
 */
export function makeRealm(limits: Limits): Realm {
  const writers = new Map<number, RealmWriter>();
  let state: CallState = freshState(null);
  let thrown: Thrown = {};
  const current = (): CallState => state;
  const globals = prepareGlobals({
    ...routingHelpers(current),
    ...requireHelpers(current),
    ...logHelpers(current, limits),
  });
  const installed = functionHolder();
  const promises = Promise.prototype;

  return {
    install: installed.install,
    needsEvaluation: installed.needsEvaluation,
    setWriter(slot, json) {
      writers.delete(slot);
      if (json === '') return;
      const writer = JSON.parse(json) as { name: string; roles: string[]; channels: string[] };
      const { name } = writer;
      writers.set(slot, { name, roles: new Set(writer.roles), channels: new Set(writer.channels) });
    },
    call(args, writer) {
      state = freshState(writer === 0 ? null : (writers.get(writer) ?? null));
      thrown = {};
      const called = state;
      try {
        if (writer !== 0 && state.writer === null) throw new Error('bug: the writer is not known');
        const values: unknown[] = [];
        for (let i = 0; i < args.length; i++) values.push(JSON.parse(args[i] ?? 'null'));
        const result = Reflect.apply(installed.get(), undefined, values);
        called.truthy = Boolean(result);
        if (!(result instanceof Promise)) return;
        called.pending = true;
        const settled = (how: Thrown) => {
          called.pending = false;
          thrown = how;
        };
        void promises.then.call(
          result,
          (value: unknown) => {
            called.truthy = Boolean(value);
            settled({});
          },
          (reason: unknown) => settled(describeThrown(reason, limits)),
        );
      } catch (error) {
        called.pending = false;
        thrown = describeThrown(error, limits);
      }
    },
    failure(error) {
      state = freshState(null);
      thrown = describeThrown(error, limits);
      return answerOf(state, thrown, limits);
    },
    finish() {
      globals.sweep(installed.reachesGlobal());
      // What promises still hold of this call must not speak into the next one.
      const [ended, how] = [state, thrown];
      state = freshState(null);
      thrown = {};
      return answerOf(ended, how, limits);
    },
    spoiled: globals.spoiled,
  };
}

/** Keeps the function of a realm, and keeps it from keeping anything itself. */
export function functionHolder(): Pick<Realm, 'install' | 'needsEvaluation'> & {
  get: () => (...args: readonly unknown[]) => unknown;
  /** Whether it can have the global object as a value: by one of two words, however spelt. */
  reachesGlobal: () => boolean;
} {
  const plain = Function.prototype;
  const asynchronous: unknown = Object.getPrototypeOf(async () => await Promise.resolve());
  let held: (...args: readonly unknown[]) => unknown = () => undefined;
  let more = false;
  let namesGlobal = true;
  return {
    install(value, source) {
      if (typeof value !== 'function') return 'the source is not a function';
      const kind: unknown = Object.getPrototypeOf(value);
      const text = plain.toString.call(value);
      if ((kind !== plain && kind !== asynchronous) || text.startsWith('class'))
        return 'the source must be a plain function, not a class or a generator';
      held = value as typeof held;
      namesGlobal = /this|\\u/i.test(source);
      const around = source.split(text).join('');
      // Only comments and brackets around the function: then nothing outlives a call in a closure.
      more = !/^(?:\s|[();]|\/\/[^\n]*(?:\n|$)|\/\*[^]*?\*\/)*$/.test(around) || around === source;
      Object.freeze(value);
      Object.freeze((value as { prototype?: unknown }).prototype);
      return '';
    },
    needsEvaluation: () => more,
    reachesGlobal: () => namesGlobal,
    get: () => held,
  };
}

/** Freezes the realm, sets the helpers, and later removes what a call left on the global object. */
export function prepareGlobals(helpers: Record<string, unknown>): {
  /** `all`: whether the function can reach the global object itself, and hide things on it. */
  sweep: (all: boolean) => void;
  spoiled: () => boolean;
} {
  const global = globalThis as unknown as Record<PropertyKey, unknown>;
  const removed = ['WebAssembly', 'SharedArrayBuffer', 'Atomics', 'WeakRef', 'ShadowRealm'];
  for (const name of [...removed, 'FinalizationRegistry', 'console']) delete global[name];
  harden(
    [...Reflect.ownKeys(global).map((key) => global[key]), helpers].filter((v) => v !== global),
  );
  for (const key of Reflect.ownKeys(global))
    Object.defineProperty(global, key, { writable: false, configurable: false, enumerable: false });
  // Helpers may be hidden by a variable of the same name for the length of a call.
  for (const name of Object.keys(helpers))
    Object.defineProperty(global, name, {
      value: helpers[name],
      writable: true,
      enumerable: false,
    });
  const names = Object.keys(helpers);
  const own = new Set(Reflect.ownKeys(global));
  const prototype: unknown = Object.getPrototypeOf(global);
  const { keys: enumerable } = Object;
  let isSpoiled = false;
  function remove(key: string | symbol): void {
    if (!own.has(key) && !Reflect.deleteProperty(global, key)) isSpoiled = true;
  }
  return {
    sweep(all) {
      // Nothing of ours is enumerable, and what an assignment leaves is.
      for (const key of enumerable(global)) remove(key);
      for (const name of names)
        if (global[name] !== helpers[name] && !Reflect.set(global, name, helpers[name]))
          isSpoiled = true;
      RegExp.input = '';
      /(?:)/.exec('');
      if (!all) return;
      Reflect.ownKeys(global).forEach(remove);
      if (!Object.isExtensible(global) || Object.getPrototypeOf(global) !== prototype)
        isSpoiled = true;
    },
    spoiled: () => isSpoiled,
  };
}

/** The answer to a call as JSON text; short keys, because every write carries one. */
export function answerOf(state: CallState, thrown: Thrown, limits: Limits): string {
  const g = state.log.length === 0 ? undefined : state.log;
  const q = state.askedForRights ? 1 : undefined;
  if (state.pending) {
    const message = 'the promise that the function returned did not settle';
    return JSON.stringify({ f: [message, 0, 0], g });
  }
  if (thrown.f !== undefined) return JSON.stringify({ f: thrown.f, g });
  if (thrown.x !== undefined) return JSON.stringify({ x: thrown.x, q, g });
  const pairs = (map: Map<string, Set<string>>) =>
    map.size === 0 ? undefined : [...map].map(([user, names]) => [user, [...names]]);
  const c = [...state.channels];
  const { expiry: e } = state;
  const t = state.truthy ? 1 : undefined;
  const text = JSON.stringify({ c, a: pairs(state.access), o: pairs(state.roles), e, q, t, g });
  if (text.length <= limits.answerChars) return text;
  return JSON.stringify({ f: [`gave more than ${limits.answerChars} characters of names`, 0, 0] });
}
