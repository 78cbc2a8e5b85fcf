import type { Node } from 'oxc-parser';
import { findingAt, isString, walk } from './source-file.ts';
import type { Finding, Rule, SourceFile } from './source-file.ts';

/** What must not be written, whatever the file. The patterns do not match themselves. */
const BANNED: readonly { readonly pattern: RegExp; readonly why: string }[] = [
  {
    pattern: /\bTO[D]O\b(?!\(#?\w[\w-]*\):)/,
    why: 'no debt: do it, or name the issue: TO' + 'DO(#7):',
  },
  { pattern: /\bFIX[M]E\b|\bX[X]X\b|\bHA[C]K\b/, why: 'no debt: do it now' },
  { pattern: /@ts-(ignor[e]|nochec[k])/, why: 'mend the type' },
  { pattern: /@ts-expect-erro[r](?! -- \w)/, why: 'tell the reason behind it: ` -- why`' },
  {
    pattern: /[el]\w*lint-disable(?!.* -- \w)/,
    why: 'tell the reason behind it: ` -- why`',
  },
  { pattern: /(^|[^\w.])\/(work|root|home\/\w+)\//, why: 'no paths of one machine' },
  { pattern: /registr[y]\.\w+\.\w|npmj[s]\.(org|com)/, why: 'no package registry is named' },
];

const TEST_FUNCTIONS = new Set(['test', 'it', 'describe', 'suite']);
const LEAVING_OUT = new Set(['skip', 'only', 'todo']);

/** Words that have no place in any file, and tests that are left out. */
export const words: Rule = (files) =>
  files.flatMap((file) => [...bannedWords(file.path, file.text), ...leftOut(file)]);

/** The same for a file that is no program: a page, a configuration. */
export function* bannedWords(path: string, text: string): Generator<Finding> {
  for (const [index, line] of text.split('\n').entries()) {
    for (const { pattern, why } of BANNED) {
      const found = pattern.exec(line);
      if (found === null) continue;
      yield { path, line: index + 1, rule: 'words', message: `"${found[0].trim()}": ${why}` };
    }
  }
}

/** `test.skip(…)`, `t.todo()`, `test('…', { only: true }, …)`. */
function leftOut(file: SourceFile): readonly Finding[] {
  if (!file.isTest) return [];
  const findings: Finding[] = [];
  const report = (node: Node, name: string): void => {
    const message = `.${name}: every test runs`;
    findings.push(findingAt(file, node, { rule: 'left-out', message }));
  };
  walk(file.program, (node) => {
    if (node.type !== 'CallExpression') return;
    const { callee } = node;
    if (callee.type === 'MemberExpression' && callee.property.type === 'Identifier') {
      const object = callee.object.type === 'Identifier' ? callee.object.name : '';
      const isRunner = TEST_FUNCTIONS.has(object) || object === 't';
      if (isRunner && LEAVING_OUT.has(callee.property.name)) report(node, callee.property.name);
    }
    if (callee.type === 'Identifier' && TEST_FUNCTIONS.has(callee.name)) {
      for (const name of optionsLeavingOut(node.arguments[1])) report(node, name);
    }
  });
  return findings;
}

function optionsLeavingOut(options: Node | undefined): readonly string[] {
  if (options?.type !== 'ObjectExpression') return [];
  return options.properties.flatMap((each) => {
    if (each.type !== 'Property') return [];
    const key =
      each.key.type === 'Identifier' ? each.key.name : isString(each.key) ? each.key.value : '';
    return LEAVING_OUT.has(key) ? [key] : [];
  });
}
