#!/usr/bin/env node
// The command. Under a Node ≥ 24 this process is the gateway; under an older one it starts one.
import { pathToFileURL } from 'node:url';
import { useCompileCache } from './compile-cache.js';
import { findNode24 } from './node24.js';
import { gatewayMain, runGateway } from './run-gateway.js';
import { withRuntimeFlags } from './runtime.js';

if (findNode24() === process.execPath) {
  withRuntimeFlags();
  useCompileCache();
  await import(pathToFileURL(gatewayMain()).href);
} else await runGateway(process.argv.slice(2));
