import { must } from '../util/assert.ts';
import { GatewayError } from '../util/errors.ts';
import { compareUtf8 } from './utf8-order.ts';

/**
 * One pass over the JSON text of a document: validates all of it, finds the top-level members, and
 * prepares the canonical form (`canonical-json.ts`). Values are never turned into JavaScript
 * values: that would lose numbers, integer-like keys and their order.
 *
 * A value's canonical text is carried as `undefined` where the source text itself is canonical, so
 * that most of a document is never copied.
 */
export interface ScannedObject {
  readonly text: string;
  /** Of its opening brace. */
  readonly start: number;
  /** After its closing brace. */
  readonly end: number;
  /** In the order of the source; of equal keys only the last. */
  readonly members: readonly Member[];
  /** The same by the UTF-8 bytes of their keys. */
  readonly sorted: readonly Member[];
  /** Whether the source text from `start` to `end` is the canonical form. */
  readonly isCanonical: boolean;
  /** White space between tokens somewhere. */
  readonly hasSpace: boolean;
  /** Nested members that a later one of the same key replaces, each with its comma. */
  readonly replaced: readonly Span[];
}

export interface Member {
  /** Unescaped; halves of surrogate pairs are U+FFFD. */
  readonly key: string;
  /** Of the key's opening quote. */
  readonly start: number;
  readonly valueStart: number;
  /** After the value. */
  readonly end: number;
  /** Canonical text of the key with its quotes; undefined: `key` in quotes. */
  readonly keyText: string | undefined;
  /** Canonical text of the value; undefined: the source text is. */
  readonly valueText: string | undefined;
  /** Whether the source text from `start` to `end` is canonical. */
  readonly asIs: boolean;
}

export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface ScanOptions {
  /** How deeply objects and arrays may be nested; at most and by default DEPTH_MAX. */
  readonly depthMax?: number;
}

/**
 * The most members of one object, and of all documents of a request together with the documents
 * themselves: each takes many times its text in memory.
 */
const MEMBERS_MAX = 1_000_000;

/** Nesting that neither this scanner nor what reads the document after it can overflow on. */
export const DEPTH_MAX = 1000;

/**
 * Scans a text that is one JSON object. Throws `badRequest` with line and column where it is
 * not, `tooLarge` past MEMBERS_MAX.
 */
export function scanObject(text: string, options: ScanOptions = {}): ScannedObject {
  const scanner = new Scanner(text, options);
  const scanned = scanner.document();
  scanner.end();
  return scanned;
}

/** What `scanBulk` finds in a request of the form `{"docs":[{…},…], …}`. */
export interface ScannedBulk {
  /** Undefined where there is no member `docs`. */
  readonly docs: readonly ScannedObject[] | undefined;
  readonly request: ScannedObject;
}

/**
 * Scans an object whose member `docs`, if there, is an array of objects; each of these is scanned
 * like a document of its own, in the same pass. Throws `badRequest` with line and column.
 * `tooLarge` past MEMBERS_MAX.
 */
export function scanBulk(text: string, options: ScanOptions = {}): ScannedBulk {
  const scanner = new Scanner(text, options);
  let docs: readonly ScannedObject[] | undefined;
  const request = scanner.document((key) => {
    if (key !== 'docs') return false;
    docs = scanner.documents();
    return true;
  });
  scanner.end();
  return { docs, request };
}

/** Canonical text of a member. */
export function memberText(text: string, member: Member): string {
  const { key, keyText, valueText } = member;
  if (member.asIs) return text.slice(member.start, member.end);
  const value = valueText ?? text.slice(member.valueStart, member.end);
  return keyText === undefined ? `"${key}":${value}` : `${keyText}:${value}`;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** ASCII that a canonical string does not hold as it is, or that ends it. */
const SPECIAL = new Uint8Array(128);
SPECIAL.fill(1, 0, 0x20);
for (const character of '"\\<>&') SPECIAL[character.charCodeAt(0)] = 1;

/** Up to so many members are sorted by insertion. */
const FEW = 16;

const byKey = (a: Member, b: Member): number => compareUtf8(a.key, b.key);

/** Scans a member's value by itself, where it wants to: then true. */
type TakeValue = (key: string) => boolean;

class Scanner {
  readonly #text: string;
  readonly #depthMax: number;
  #at = 0;
  /** Members and documents that are kept. */
  #kept = 0;
  #hasSpace = false;
  /** Of the members that `#members` has just read: the source is canonical; keys ascend. */
  #plain = true;
  #ordered = true;
  #replaced: Span[] = [];

  constructor(text: string, options: ScanOptions) {
    this.#text = text;
    this.#depthMax = Math.min(options.depthMax ?? DEPTH_MAX, DEPTH_MAX);
  }

  /** An object as a document: with its members. */
  document(take?: TakeValue): ScannedObject {
    const text = this.#text;
    this.#space();
    if (text.charCodeAt(this.#at) !== OPEN_BRACE) throw this.#error('expected a JSON object');
    const [outerSpace, outerReplaced] = [this.#hasSpace, this.#replaced];
    this.#hasSpace = false;
    this.#replaced = [];
    const start = this.#at;
    const members = this.#members(1, take);
    this.#kept += members.length + 1;
    if (this.#kept > MEMBERS_MAX) throw tooMany();
    const isCanonical = this.#plain;
    const sorted = this.#ordered ? members : this.#sort(members, false);
    const unique = sorted.length === members.length ? members : inSourceOrder(sorted);
    const [end, hasSpace, replaced] = [this.#at, this.#hasSpace, this.#replaced];
    this.#hasSpace = outerSpace || hasSpace;
    this.#replaced = outerReplaced;
    return { text, start, end, members: unique, sorted, isCanonical, hasSpace, replaced };
  }

  /** An array of objects, each as a document. */
  documents(): readonly ScannedObject[] {
    const text = this.#text;
    if (text.charCodeAt(this.#at) !== OPEN_BRACKET) throw this.#error('expected an array');
    this.#at++;
    const scanned: ScannedObject[] = [];
    this.#space();
    if (text.charCodeAt(this.#at) === CLOSE_BRACKET) {
      this.#at++;
      return scanned;
    }
    for (;;) {
      scanned.push(this.document());
      this.#space();
      const code = text.charCodeAt(this.#at);
      if (code !== COMMA && code !== CLOSE_BRACKET) throw this.#error('expected "," or "]"');
      this.#at++;
      if (code === CLOSE_BRACKET) return scanned;
    }
  }

  /** Nothing but white space follows. */
  end(): void {
    this.#space();
    if (this.#at < this.#text.length) throw this.#error('expected nothing after the object');
  }

  /** The canonical text of the value that begins here; undefined where the source is. */
  #value(depth: number): string | undefined {
    const text = this.#text;
    const code = text.charCodeAt(this.#at);
    if (code === QUOTE) return this.#string();
    if (code === OPEN_BRACE) return this.#object(depth + 1);
    if (code === OPEN_BRACKET) return this.#array(depth + 1);
    if (code === MINUS || (code >= ZERO && code <= NINE)) return this.#number(code);
    if (text.startsWith('true', this.#at) || text.startsWith('null', this.#at)) this.#at += 4;
    else if (text.startsWith('false', this.#at)) this.#at += 5;
    else throw this.#error('expected a JSON value');
    return undefined;
  }

  #object(depth: number): string | undefined {
    const members = this.#members(depth, undefined);
    if (this.#plain) return undefined;
    const sorted = this.#ordered ? members : this.#sort(members, true);
    let canonical = '';
    for (const member of sorted) {
      canonical += (canonical === '' ? '{' : ',') + memberText(this.#text, member);
    }
    return canonical === '' ? '{}' : `${canonical}}`;
  }

  /**
   * From the opening to after the closing brace; the outcome is also in `#plain` and `#ordered`.
   */
  #members(depth: number, take: TakeValue | undefined): Member[] {
    if (depth > this.#depthMax) throw this.#tooDeep();
    const text = this.#text;
    const members: Member[] = [];
    this.#at++;
    let plain = !this.#space();
    let ordered = true;
    let before: string | undefined;
    if (text.charCodeAt(this.#at) === CLOSE_BRACE) this.#at++;
    else {
      for (;;) {
        const start = this.#at;
        if (text.charCodeAt(start) !== QUOTE) throw this.#error('expected a name in quotes');
        const respelled = this.#string();
        const inner = text.slice(start + 1, this.#at - 1);
        const keyText = respelled ?? (inner.includes('\\') ? `"${inner}"` : undefined);
        const key = keyText === undefined ? inner : unquote(keyText);
        let asIs = !this.#space();
        if (text.charCodeAt(this.#at) !== COLON) throw this.#error('expected ":"');
        this.#at++;
        if (this.#space()) asIs = false;
        const valueStart = this.#at;
        const valueText = take?.(key) === true ? undefined : this.#value(depth);
        if (valueText !== undefined || respelled !== undefined) asIs = false;
        members.push({ key, start, valueStart, end: this.#at, keyText, valueText, asIs });
        if (members.length > MEMBERS_MAX) throw tooMany();
        plain &&= asIs;
        if (ordered && before !== undefined && compareUtf8(before, key) >= 0) ordered = false;
        before = key;
        if (this.#space()) plain = false;
        const code = text.charCodeAt(this.#at);
        if (code !== COMMA && code !== CLOSE_BRACE) throw this.#error('expected "," or "}"');
        this.#at++;
        if (code === CLOSE_BRACE) break;
        if (this.#space()) plain = false;
      }
    }
    this.#plain = plain && ordered;
    this.#ordered = ordered;
    return members;
  }

  /** By key; of equal ones the last. `nested`: notes the others as replaced. */
  #sort(members: readonly Member[], nested: boolean): Member[] {
    const sorted = members.length > FEW ? members.toSorted(byKey) : sortFew(members);
    let before: Member | undefined;
    let hasEqual = false;
    for (const member of sorted) {
      if (before?.key === member.key) {
        hasEqual = true;
        // The later one follows, so there is a comma.
        const end = this.#text.indexOf(',', before.end) + 1;
        if (nested) this.#replaced.push({ start: before.start, end });
      }
      before = member;
    }
    if (!hasEqual) return sorted;
    return sorted.filter((member, index) => sorted[index + 1]?.key !== member.key);
  }

  #array(depth: number): string | undefined {
    if (depth > this.#depthMax) throw this.#tooDeep();
    const text = this.#text;
    const start = this.#at;
    this.#at++;
    let canonical = this.#space() ? '[' : undefined;
    if (text.charCodeAt(this.#at) === CLOSE_BRACKET) {
      this.#at++;
      return canonical === undefined ? undefined : '[]';
    }
    for (;;) {
      const valueStart = this.#at;
      const valueText = this.#value(depth);
      if (valueText !== undefined) canonical ??= text.slice(start, valueStart);
      if (canonical !== undefined) canonical += valueText ?? text.slice(valueStart, this.#at);
      const valueEnd = this.#at;
      if (this.#space()) canonical ??= text.slice(start, valueEnd);
      const code = text.charCodeAt(this.#at);
      if (code !== COMMA && code !== CLOSE_BRACKET) throw this.#error('expected "," or "]"');
      this.#at++;
      if (code === CLOSE_BRACKET) return canonical === undefined ? undefined : `${canonical}]`;
      if (canonical !== undefined) canonical += ',';
      const comma = this.#at;
      if (this.#space()) canonical ??= text.slice(start, comma);
    }
  }

  /** The canonical text of a string with its quotes; undefined where the source is. */
  #string(): string | undefined {
    const text = this.#text;
    const length = text.length;
    for (let i = this.#at + 1; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code < 128) {
        if (SPECIAL[code] === 0) continue;
        if (code !== QUOTE) return this.#rewrittenString(i);
        this.#at = i + 1;
        return undefined;
      }
      if (code >= 0x2028 && (code <= 0x2029 || (code >= 0xd800 && code <= 0xdfff))) {
        return this.#rewrittenString(i);
      }
    }
    throw this.#error('a string does not end');
  }

  /** A string with something in it, at `from`, that may be spelled otherwise. */
  #rewrittenString(from: number): string | undefined {
    const text = this.#text;
    let end = from;
    while (end < text.length && text.charCodeAt(end) !== QUOTE) {
      end += text.charCodeAt(end) === BACKSLASH ? 2 : 1;
    }
    if (end >= text.length) throw this.#error('a string does not end');
    const source = text.slice(this.#at, end + 1);
    const value = this.#unescaped(source);
    this.#at = end + 1;
    const canonical = quote(value);
    return canonical === source ? undefined : canonical;
  }

  #unescaped(source: string): string {
    try {
      return unquote(source).toWellFormed();
    } catch (cause) {
      throw this.#error('a string holds a bad escape or a control character', cause);
    }
  }

  #number(first: number): undefined {
    const text = this.#text;
    let at = first === MINUS ? this.#at + 1 : this.#at;
    if (text.charCodeAt(at) === ZERO) at++;
    else at = this.#digits(at);
    if (text.charCodeAt(at) === POINT) at = this.#digits(at + 1);
    // 0x20 makes a lower-case letter of an upper-case one.
    if ((text.charCodeAt(at) | 0x20) === 0x65) {
      const sign = text.charCodeAt(at + 1);
      at = this.#digits(sign === 0x2b || sign === MINUS ? at + 2 : at + 1);
    }
    this.#at = at;
    return undefined;
  }

  /** After one digit or more. */
  #digits(from: number): number {
    const text = this.#text;
    let at = from;
    for (;;) {
      const code = text.charCodeAt(at);
      if (!(code >= ZERO && code <= NINE)) break;
      at++;
    }
    if (at === from) {
      this.#at = at;
      throw this.#error('expected a digit');
    }
    return at;
  }

  /** Skips white space; whether there was some. */
  #space(): boolean {
    const text = this.#text;
    const from = this.#at;
    let at = from;
    for (;;) {
      const code = text.charCodeAt(at);
      if (code > 0x20 || !(code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09)) break;
      at++;
    }
    if (at === from) return false;
    this.#at = at;
    this.#hasSpace = true;
    return true;
  }

  #tooDeep(): GatewayError {
    return this.#error(`nested more than ${this.#depthMax} levels deep`);
  }

  #error(what: string, cause?: unknown): GatewayError {
    const before = this.#text.slice(0, this.#at);
    const line = before.split('\n').length;
    const column = this.#at - before.lastIndexOf('\n');
    const reason = `Invalid JSON at line ${line}, column ${column}: ${what}`;
    return new GatewayError('badRequest', reason, { cause });
  }
}

const tooMany = (): GatewayError =>
  new GatewayError('tooLarge', `JSON with more than ${MEMBERS_MAX} members or documents`);

/** Stable, by insertion: for so few it is several times faster than the general way. */
function sortFew(members: readonly Member[]): Member[] {
  const sorted: Member[] = [];
  for (const member of members) {
    let at = sorted.length;
    for (; at > 0; at--) {
      const before = must(sorted[at - 1], 'at is within the sorted ones');
      if (compareUtf8(before.key, member.key) <= 0) break;
      sorted[at] = before;
    }
    sorted[at] = member;
  }
  return sorted;
}

function inSourceOrder(members: readonly Member[]): Member[] {
  return members.toSorted((a, b) => a.start - b.start);
}

function unquote(source: string): string {
  const value: unknown = JSON.parse(source);
  return String(value);
}

/** protocol.md §10: the short escapes and `\u00xx` as in JavaScript, and these five. */
function quote(value: string): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
