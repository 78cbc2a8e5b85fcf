// `npm start`: installs what is missing, then runs a gateway; arguments go to `tidegate serve`.
import { runGateway } from '../bin/run-gateway.js';
import { ensureInstalled } from './lib/install.mjs';

ensureInstalled({ dev: false });
await runGateway(['serve', ...process.argv.slice(2)]);
