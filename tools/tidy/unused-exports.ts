import type { ExportNamedDeclaration } from 'oxc-parser';
import { importEdges, nameOf } from './imports.ts';
import { findingAt, walk } from './source-file.ts';
import type { Finding, Rule, SourceFile } from './source-file.ts';

/** Files whose exports are for others than this project, or that are run by name. */
const ENTRY_POINTS: ReadonlySet<string> = new Set([
  'src/gateway.ts',
  'src/cli/main.ts',
  'src/bucket/bucket.ts',
  'src/bucket/bucket-contract.ts',
  'src/bucket/applications/application-bucket.ts',
]);

/**
 * Exports that no other file takes, and source files that no other file knows. A type may be
 * exported that its own file uses: it names a part of what other exports take or give.
 */
export const unusedExports: Rule = (files) => {
  const used = new Map<string, Set<string> | 'all'>();
  for (const { to, names } of files.flatMap((file) => [...importEdges(file)])) {
    const known = used.get(to);
    if (names === 'all' || known === 'all') used.set(to, 'all');
    else used.set(to, new Set([...(known ?? []), ...names]));
  }
  return files
    .filter(({ path }) => /^(src|tools|test|fuzz|bench)\/.*\.ts$/.test(path) && !isRunByName(path))
    .flatMap((file) => [...unused(file, used.get(file.path))]);
};

function* unused(
  file: SourceFile,
  names: ReadonlySet<string> | 'all' | undefined,
): Generator<Finding> {
  if (names === 'all') return;
  if (names === undefined) {
    const message = 'no other file imports this one';
    yield { path: file.path, line: 1, rule: 'dead-file', message };
    return;
  }
  for (const { name, node } of exportsOf(file)) {
    if (names.has(name) || (isType(node) && isUsedWithin(file, name))) continue;
    const message = `nothing imports ${name}; do not export it`;
    yield findingAt(file, node, { rule: 'unused-export', message });
  }
}

/** Tests, programs of tools/, bench/ and fuzz/ at their top level, and entry points. */
function isRunByName(path: string): boolean {
  return (
    ENTRY_POINTS.has(path) ||
    path.endsWith('.test.ts') ||
    /^(tools|bench|bench\/micro)\/[^/]+\.ts$/.test(path) ||
    /^fuzz\/(run|worker)\.ts$/.test(path) ||
    path.startsWith('test/helpers/run-')
  );
}

function isType({ declaration }: ExportNamedDeclaration): boolean {
  const type = declaration?.type;
  return type === 'TSInterfaceDeclaration' || type === 'TSTypeAliasDeclaration';
}

function isUsedWithin(file: SourceFile, name: string): boolean {
  let uses = 0;
  walk(file.program, (node) => {
    if (node.type === 'Identifier' && node.name === name) uses += 1;
  });
  return uses > 1;
}

function exportsOf(file: SourceFile): readonly { name: string; node: ExportNamedDeclaration }[] {
  return file.program.body
    .filter((node) => node.type === 'ExportNamedDeclaration')
    .flatMap((node) => namesIn(node).map((name) => ({ name, node })));
}

function namesIn({ declaration, specifiers }: ExportNamedDeclaration): readonly string[] {
  if (declaration === null) return specifiers.map((each) => nameOf(each.exported));
  if (declaration.type === 'VariableDeclaration') {
    return declaration.declarations.flatMap(({ id }) =>
      id.type === 'Identifier' ? [id.name] : [],
    );
  }
  const id = 'id' in declaration ? declaration.id : null;
  return id?.type === 'Identifier' ? [id.name] : [];
}
