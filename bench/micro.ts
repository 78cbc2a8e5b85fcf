// `npm run bench:micro [NAME …]`: the hot paths by themselves; a name is a file of bench/micro/.
import { readdirSync } from 'node:fs';
import path from 'node:path';

const FOLDER = path.join(import.meta.dirname, 'micro');
const asked = process.argv.slice(2);

for (const file of readdirSync(FOLDER).toSorted()) {
  const name = path.basename(file, '.ts');
  if (asked.length > 0 && !asked.includes(name)) continue;
  console.log(`── ${name}`);
  await import(path.join(FOLDER, file));
}
