import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

interface Locked {
  readonly license?: string;
  readonly resolved?: string;
  readonly hasInstallScript?: boolean;
}

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
}

const PERMISSIVE: ReadonlySet<string> = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'ISC',
  'MIT',
  'Unlicense',
  '(WTFPL OR MIT)',
]);

const read = (name: string): string =>
  readFileSync(path.join(import.meta.dirname, '..', name), 'utf8');
const { packages } = JSON.parse(read('package-lock.json')) as {
  packages: Readonly<Record<string, Locked>>;
};
const locked = Object.entries(packages).filter(([folder]) => folder !== '');

/** The folders of packages that are not as they should be. */
function offending(is: (entry: Locked) => boolean): readonly string[] {
  return locked.filter(([, entry]) => is(entry)).map(([folder]) => folder);
}

test('every package has a permissive licence', () => {
  assert.deepEqual(
    offending(({ license = 'none' }) => !PERMISSIVE.has(license)),
    [],
  );
});

test('no package runs a script when it is installed', () => {
  assert.deepEqual(
    offending(({ hasInstallScript = false }) => hasInstallScript),
    [],
  );
});

test('the lockfile names no registry', () => {
  assert.deepEqual(
    offending(({ resolved }) => resolved !== undefined),
    [],
  );
});

test('every direct dependency is explained in docs/dependencies.md', () => {
  const page = read('docs/dependencies.md');
  const manifest = JSON.parse(read('package.json')) as Manifest;
  const direct = [
    ...Object.keys(manifest.dependencies),
    ...Object.keys(manifest.devDependencies),
    ...Object.keys(manifest.optionalDependencies),
  ];
  assert.ok(direct.length > 10);
  assert.deepEqual(
    direct.filter((name) => !page.includes(`\`${name}\``)),
    [],
  );
});
