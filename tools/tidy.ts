// House rules, checked: sizes, layers, cycles, unused exports, what stands where, and words.
//   --stats  also tells how large files and functions are
//   PATH …   tells only of files whose path starts with one of these
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { cycles } from './tidy/cycles.ts';
import { EXCEPTIONS, withoutExceptions } from './tidy/exceptions.ts';
import { fileNames } from './tidy/file-names.ts';
import { layers } from './tidy/layers.ts';
import { places } from './tidy/places.ts';
import { sizes } from './tidy/sizes.ts';
import { parseSource } from './tidy/source-file.ts';
import type { Finding, Rule } from './tidy/source-file.ts';
import { statistics } from './tidy/statistics.ts';
import { unusedExports } from './tidy/unused-exports.ts';
import { bannedWords, words } from './tidy/words.ts';

const ROOT = path.join(import.meta.dirname, '..');
const PROGRAMS = ['{src,test,fuzz,tools,bench,bin,demo}/**/*.{ts,js,mjs}'];
const PAGES = ['*.md', '*.json', 'docs/**/*.md', '{src,test,tools,bench}/**/*.{md,json}', '.ci/*'];
/** Copied from the shared reference as they are: not ours to tidy. */
const COPIED = ['test/conformance/**', 'test/vectors/**', 'bench/shared/**', 'bench/results/**'];

const RULES: readonly Rule[] = [fileNames, sizes, layers, cycles, unusedExports, places, words];

const starts = process.argv.slice(2).filter((arg) => !arg.startsWith('--'));
const files = list(PROGRAMS).map((name) => parseSource(name, read(name)));
const findings: readonly Finding[] = [
  ...RULES.flatMap((rule) => [...rule(files)]),
  ...list(PAGES).flatMap((name) => [...bannedWords(name, read(name))]),
];
const { left: all, stale } = withoutExceptions(findings, EXCEPTIONS);
const left = all.filter(
  ({ path: name }) => starts.length === 0 || starts.some((start) => name.startsWith(start)),
);
for (const { path: name, line, rule, message } of left) {
  console.log(`${name}:${line}  ${rule}: ${message}`);
}
for (const { path: name, rule } of stale) {
  console.log(`tools/tidy/exceptions.ts  stale: ${name} needs no exception from ${rule}`);
}
console.log(`tidy: ${files.length} files, ${left.length + stale.length} findings`);
if (process.argv.includes('--stats')) console.log(statistics(files));
process.exitCode = left.length + stale.length === 0 ? 0 : 1;

function list(patterns: readonly string[]): readonly string[] {
  const found = patterns.flatMap((pattern) => globSync(pattern, { cwd: ROOT, exclude: COPIED }));
  return found.map((name) => name.replaceAll(path.sep, '/')).toSorted();
}

function read(name: string): string {
  return readFileSync(path.join(ROOT, name), 'utf8');
}
