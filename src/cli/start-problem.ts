import type { StartupConfig } from '../config/startup-config.ts';
import { GatewayError } from '../util/errors.ts';
import { EXIT } from './exit-codes.ts';

export interface StartProblem {
  readonly exitCode: number;
  /** For people, one sentence a line. */
  readonly lines: readonly string[];
}

const LISTEN_CODES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use by another program',
  EACCES: 'may not be opened by this user',
  EADDRNOTAVAIL: 'is no address of this machine',
  ENOTFOUND: 'names no known host',
};

const INTERFACES = ['public_interface', 'admin_interface', 'metrics_interface'] as const;
const CAUSES_MAX = 10;

/** What to tell of an error that kept the gateway from starting; undefined for a bug. */
export function startProblem(error: unknown, config?: StartupConfig): StartProblem | undefined {
  const listening = listenProblem(error, config);
  if (listening !== undefined) return { exitCode: EXIT.failed, lines: [listening] };
  if (!(error instanceof GatewayError)) return undefined;
  const { problems } = error.details;
  const lines = Array.isArray(problems) ? problems.map(String) : [error.message];
  return { exitCode: error.tag === 'badRequest' ? EXIT.usage : EXIT.failed, lines };
}

function listenProblem(error: unknown, config: StartupConfig | undefined): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < CAUSES_MAX; depth++) {
    const { code, port, syscall } = at as NodeJS.ErrnoException & { readonly port?: number };
    const says = code === undefined ? undefined : LISTEN_CODES[code];
    if (says !== undefined && (syscall === 'listen' || syscall === 'getaddrinfo')) {
      const named = INTERFACES.find((name) => config?.api[name].port === port);
      const { host = '' } = named === undefined ? {} : (config?.api[named] ?? {});
      const flag =
        named === undefined ? '' : `: give another one with --${named.replace('_', '-')}`;
      return `the address ${host}:${port ?? ''} ${says}${flag}`;
    }
    at = at.cause;
  }
  return undefined;
}
