import type { ValueType } from './value-type.ts';

/**
 * An option is described once, in a table: type, default, text, secret or not, changeable while
 * running or not, and what it does here. Checks, `_config` answers, redaction, the TypeScript type
 * of the configuration and `docs/configuration.md` come from the table.
 */
export interface Option<T> {
  readonly kind: 'option';
  readonly type: ValueType<unknown, unknown>;
  /** As it would stand in the configuration; undefined for none. */
  readonly default: unknown;
  readonly about: string;
  readonly status: OptionStatus;
  /** `whole`: never shown; `url`: shown without the credentials in it. */
  readonly secret: 'no' | 'whole' | 'url';
  /** Whether it may be changed without a restart of the gateway. */
  readonly live: boolean;
  /** For `later`: whether the value asks for no more than what the product does. */
  readonly isHarmless: (json: unknown) => boolean;
  readonly parse: (json: unknown) => Parsed<T>;
}

export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false };

export type OptionStatus =
  /** It does what it says. */
  | 'acts'
  /** Only a Couchbase Server could use it: accepted, without effect, with one warning. */
  | 'couchbase'
  /** Accepted, without effect, with one warning: what it tunes needs no tuning here. */
  | 'unneeded'
  /** Not there yet: refused, unless it asks for no more than what the product does. */
  | 'later';

export interface OptionGroup<T extends OptionTable> {
  readonly kind: 'group';
  readonly about: string;
  readonly options: T;
}

/** Properties whose names the administrator chooses, all of the same kind. */
export interface OptionMap<E extends OptionEntry> {
  readonly kind: 'map';
  readonly about: string;
  /** What stands for such a name in the reference page: `scope`. */
  readonly placeholder: string;
  readonly name: ValueType<string>;
  readonly countMax: number;
  readonly each: E;
}

/** A list of objects that one table describes. */
export interface OptionList<T extends OptionTable> {
  readonly kind: 'list';
  readonly about: string;
  readonly countMax: number;
  readonly each: OptionGroup<T>;
}

export type OptionEntry =
  | Option<unknown>
  | OptionGroup<OptionTable>
  | OptionMap<OptionEntry>
  | OptionList<OptionTable>;

export interface OptionTable {
  readonly [name: string]: OptionEntry;
}

/** The configuration that a table describes, with every default filled in. */
export type Values<T extends OptionTable> = { readonly [K in keyof T]: ValueOf<T[K]> };

type ValueOf<E> =
  E extends Option<infer V>
    ? V
    : E extends OptionGroup<infer G>
      ? Values<G>
      : E extends OptionMap<infer M>
        ? Readonly<Record<string, ValueOf<M>>>
        : E extends OptionList<infer L>
          ? readonly Values<L>[]
          : never;

/** Without a default, the value may be absent. */
type Filled<Out, D> = D extends undefined ? Out | undefined : Out;

interface OptionWords<Out, In, D extends In | undefined> {
  readonly type: ValueType<Out, In>;
  readonly default: D;
  readonly about: string;
  readonly secret?: 'whole' | 'url';
  readonly live?: boolean;
}

/** An option that acts. */
export function option<Out, In, const D extends In | undefined>(
  words: OptionWords<Out, In, D>,
): Option<Filled<Out, D>> {
  return make(words, 'acts', () => true);
}

/** An option that only Couchbase Server could use. */
export function couchbaseOption<Out, In, const D extends In | undefined>(
  words: OptionWords<Out, In, D>,
): Option<Filled<Out, D>> {
  return make(words, 'couchbase', () => true);
}

/** An option that is accepted and has nothing to act on. */
export function unneededOption<Out, In, const D extends In | undefined>(
  words: OptionWords<Out, In, D>,
): Option<Filled<Out, D>> {
  return make(words, 'unneeded', () => true);
}

/** An option of a later version; `isHarmless` names the values that ask for nothing new. */
export function laterOption<Out, In, const D extends In | undefined>(
  words: OptionWords<Out, In, D> & { readonly isHarmless?: (json: unknown) => boolean },
): Option<Filled<Out, D>> {
  return make(words, 'later', words.isHarmless ?? (() => false));
}

export function group<T extends OptionTable>(about: string, options: T): OptionGroup<T> {
  return { kind: 'group', about, options };
}

export function mapOf<E extends OptionEntry>(
  about: string,
  words: Omit<OptionMap<E>, 'kind' | 'about'>,
): OptionMap<E> {
  return { kind: 'map', about, ...words };
}

/** Empty where it is absent. */
export function tableList<T extends OptionTable>(
  about: string,
  words: Pick<OptionList<T>, 'countMax' | 'each'>,
): OptionList<T> {
  return { kind: 'list', about, ...words };
}

function make<Out, In, D extends In | undefined>(
  words: OptionWords<Out, In, D>,
  status: OptionStatus,
  isHarmless: (json: unknown) => boolean,
): Option<Filled<Out, D>> {
  return {
    kind: 'option',
    type: words.type,
    default: words.default,
    about: words.about,
    status,
    secret: words.secret ?? 'no',
    live: words.live ?? false,
    isHarmless,
    parse: (json) => {
      const parsed = words.type.schema.safeParse(json);
      // NOTE: where there is a default, `Filled` is `Out`; where there is none, it is wider.
      return parsed.success ? { ok: true, value: parsed.data as Filled<Out, D> } : { ok: false };
    },
  };
}
