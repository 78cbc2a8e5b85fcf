import type { LogLevel } from './log.ts';

export interface TextLine {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly color: boolean;
}

const COLOR: Readonly<Partial<Record<LogLevel, string>>> = {
  error: '\u001B[31m',
  warn: '\u001B[33m',
  debug: '\u001B[2m',
  trace: '\u001B[2m',
};
const NO_COLOR = '\u001B[0m';

/**
 * A log line for people: time, level, key, message, `name=value …`. A value that could be taken for
 * more than a value stands as JSON, so that nothing in it can begin a line. The stack of an error
 * follows on lines of its own, indented.
 */
export function textLine({ time, level, message, fields, color }: TextLine): string {
  const { key, ...rest } = fields;
  const parts = [new Date(time).toISOString(), level.toUpperCase().padEnd(5)];
  if (typeof key === 'string') parts.push(`[${key}]`);
  parts.push(message);
  const stacks: string[] = [];
  for (const [name, value] of Object.entries(rest)) {
    parts.push(`${name}=${plain(withoutStack(value, stacks))}`);
  }
  const line = parts.join(' ');
  const start = color ? (COLOR[level] ?? '') : '';
  const end = start === '' ? '' : NO_COLOR;
  return `${start}${line}${end}\n${stacks.map((stack) => `    ${stack}\n`).join('')}`;
}

function withoutStack(value: unknown, stacks: string[]): unknown {
  if (typeof value !== 'object' || value === null || !('stack' in value)) return value;
  const { stack, ...rest } = value;
  if (typeof stack !== 'string') return value;
  stacks.push(
    ...stack
      .split('\n')
      .slice(1)
      .map((frame) => frame.trim())
      .filter(isFrame),
  );
  return rest;
}

function isFrame(line: string): boolean {
  return /^at \P{Cc}+$/u.test(line);
}

function plain(value: unknown): string {
  if (typeof value === 'string' && /^[^\s"'=\p{Cc}]+$/u.test(value)) {
    return value;
  }
  return (JSON.stringify(value) ?? 'undefined').replaceAll(
    /[\u007F-\u009F\u2028\u2029]/gu,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
