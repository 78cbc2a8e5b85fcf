import { GatewayError } from '../util/errors.ts';

/**
 * The text of a configuration: JSON, and beside it what the reference's files have: `//` and block
 * comments, strings between backticks, over several lines and without escapes, for functions, and
 * environment variables (`${NAME}`) without quotes, which are strings here.
 * A comma after the last element is tolerated. A property that stands twice is refused: one of them
 * would be ignored. Throws `badRequest` with line and column.
 */
export function parseConfigText(text: string): unknown {
  const parser = new ConfigParser(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
  return parser.parse();
}

const DEPTH_MAX = 100;
const TEXT_LENGTH_MAX = 64 * 1_048_576;
const LITERALS = { true: true, false: false, null: null } as const;

class ConfigParser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): unknown {
    if (this.#text.length > TEXT_LENGTH_MAX) {
      throw new GatewayError(
        'tooLarge',
        `a configuration has at most ${TEXT_LENGTH_MAX} characters`,
      );
    }
    this.#skip();
    if (this.#at === this.#text.length) this.#fail('it is empty');
    const value = this.#value(0);
    this.#skip();
    if (this.#at < this.#text.length) this.#fail('something follows the end');
    return value;
  }

  #value(depth: number): unknown {
    if (depth > DEPTH_MAX) this.#fail(`it is nested deeper than ${DEPTH_MAX}`);
    const char = this.#text[this.#at];
    if (char === '{') return this.#object(depth);
    if (char === '[') return this.#list(depth);
    if (char === '"') return this.#string();
    if (char === '`') return this.#backticks();
    if (char === '$') return this.#variable();
    return this.#word();
  }

  #object(depth: number): unknown {
    const members = new Map<string, unknown>();
    this.#at++;
    for (;;) {
      this.#skip();
      if (this.#take('}')) break;
      if (this.#text[this.#at] !== '"') this.#fail('a property’s name in double quotes is missing');
      const start = this.#at;
      const name = this.#string();
      if (members.has(name) || name === '__proto__') {
        this.#at = start;
        this.#fail(`the property ${JSON.stringify(name.slice(0, 80))} may not stand here (again)`);
      }
      this.#skip();
      if (!this.#take(':')) this.#fail('a colon is missing');
      this.#skip();
      members.set(name, this.#value(depth + 1));
      this.#skip();
      if (this.#take(',')) continue;
      if (this.#take('}')) break;
      this.#fail('a comma or } is missing');
    }
    return Object.fromEntries(members);
  }

  #list(depth: number): unknown {
    const items: unknown[] = [];
    this.#at++;
    for (;;) {
      this.#skip();
      if (this.#take(']')) break;
      items.push(this.#value(depth + 1));
      this.#skip();
      if (this.#take(',')) continue;
      if (this.#take(']')) break;
      this.#fail('a comma or ] is missing');
    }
    return items;
  }

  #string(): string {
    const pattern = /"[^"\\\n]*(?:\\.[^"\\\n]*)*"/uy;
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) this.#fail('a string does not end on its line');
    try {
      const value: unknown = JSON.parse(match[0]);
      if (typeof value !== 'string') throw new Error('bug: the pattern matches strings only');
      this.#at = pattern.lastIndex;
      return value;
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause;
      this.#fail('a string has a wrong escape or a control character');
    }
  }

  #backticks(): string {
    const end = this.#text.indexOf('`', this.#at + 1);
    if (end < 0) this.#fail('a string in backticks does not end');
    const value = this.#text.slice(this.#at + 1, end);
    this.#at = end + 1;
    return value.replaceAll('\r\n', '\n');
  }

  /** An environment variable that stands where a number, true or false may: `${NAME}`. */
  #variable(): string {
    const pattern = /\$\{[^{}\n]*\}/uy;
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) this.#fail('after $ stands {NAME}, or {NAME:-default}');
    this.#at = pattern.lastIndex;
    return match[0];
  }

  #word(): unknown {
    const pattern = /[-+.\w]*/uy;
    pattern.lastIndex = this.#at;
    const word = pattern.exec(this.#text)?.[0] ?? '';
    const isNumber = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?$/.test(word);
    if (!isNumber && !Object.hasOwn(LITERALS, word)) {
      this.#fail('a value is missing, or a string has no quotes');
    }
    this.#at += word.length;
    return isNumber ? Number(word) : LITERALS[word as keyof typeof LITERALS];
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  /** Goes past blanks and comments. */
  #skip(): void {
    for (;;) {
      const pattern = /[ \t\r\n]*(?:\/\/[^\n]*|\/\*[\s\S]*?\*\/)?/uy;
      pattern.lastIndex = this.#at;
      const length = pattern.exec(this.#text)?.[0].length ?? 0;
      if (length === 0) return;
      this.#at += length;
    }
  }

  #fail(what: string): never {
    const before = this.#text.slice(0, this.#at);
    const line = before.split('\n').length;
    const column = this.#at - before.lastIndexOf('\n');
    throw new GatewayError(
      'badRequest',
      `invalid configuration: ${what} (line ${line}, column ${column})`,
    );
  }
}
