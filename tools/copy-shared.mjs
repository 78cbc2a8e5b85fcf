// Copies what the shared reference holds for this project into it, as it is:
//   node tools/copy-shared.mjs           copies
//   node tools/copy-shared.mjs --check   tells what differs, and fails where something does
// Without a ../shared beside the project there is nothing to compare with, and that is fine.
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import path from 'node:path';
import { ROOT } from './lib/install.mjs';

const SHARED = path.join(ROOT, '..', 'shared');
const COPIES = [
  { from: 'conformance', to: 'test/conformance', takes: /^(run\.mjs|README\.md|scenarios\/.*)$/ },
  { from: 'reference/blip/vectors', to: 'test/vectors', takes: /\.json$/ },
  { from: 'bench', to: 'bench/shared', takes: /^[^/]*\.mjs$/ },
];

if (!existsSync(SHARED)) console.log('shared: no ../shared here; nothing to compare');
else if (process.argv.includes('--check')) check();
else copy();

function copy() {
  for (const { from, to, files, extra } of listings()) {
    for (const file of extra) rmSync(path.join(ROOT, to, file));
    for (const file of files) {
      const target = path.join(ROOT, to, file);
      mkdirSync(path.dirname(target), { recursive: true });
      cpSync(path.join(SHARED, from, file), target);
    }
    console.log(`shared: ${files.length} files to ${to}`);
  }
}

function check() {
  const differing = listings().flatMap(({ from, to, files, extra }) => [
    ...files
      .filter((file) => !isSame(path.join(SHARED, from, file), path.join(ROOT, to, file)))
      .map((file) => `${to}/${file} differs`),
    ...extra.map((file) => `${to}/${file} is not in ../shared`),
  ]);
  for (const line of differing) console.log(`shared: ${line}`);
  if (differing.length > 0) console.log('shared: `npm run shared:copy` mends it');
  else console.log('shared: all copies are as they are there');
  process.exitCode = differing.length === 0 ? 0 : 1;
}

/** For each copy: the files to take, and those that stand here and not there. */
function listings() {
  return COPIES.map(({ from, to, takes }) => {
    const files = filesBelow(path.join(SHARED, from)).filter((file) => takes.test(file));
    const extra = filesBelow(path.join(ROOT, to)).filter((file) => !files.includes(file));
    return { from, to, files, extra };
  });
}

function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .filter((file) => statSync(path.join(folder, file)).isFile())
    .map((file) => file.replaceAll(path.sep, '/'))
    .sort();
}

function isSame(a, b) {
  return existsSync(a) && existsSync(b) && readFileSync(a).equals(readFileSync(b));
}
