import type { StartupConfig } from '../config/startup-config.ts';
import { redactUrl } from '../config/config-answer.ts';

export interface WelcomeFacts {
  readonly version: string;
  readonly urls: { readonly public: string; readonly admin: string; readonly metrics: string };
  readonly config: StartupConfig;
}

/** What the terminal says once the gateway runs: where it is, and a first thing to try. */
export function welcome({ version, urls, config }: WelcomeFacts): string {
  const lines = [
    `Tidegate ${version} is running.`,
    '',
    `  public   ${urls.public}`,
    `  admin    ${urls.admin}`,
    `  metrics  ${withoutSlash(urls.metrics)}/metrics`,
    `  buckets  ${redactUrl(config.bootstrap.server)}`,
    '',
    ...whatNext(urls, config),
    '',
    'Ctrl-C stops it.',
  ];
  return `${lines.join('\n')}\n`;
}

function whatNext(urls: WelcomeFacts['urls'], config: StartupConfig): readonly string[] {
  if (config.sample !== undefined) return sample(urls.public, config);
  const names = (config.databases ?? []).map(({ name }) => name);
  if (names.length === 0) return firstDatabase(urls.admin);
  return [`Databases of the configuration file: ${names.join(', ')}`];
}

function sample(publicUrl: string, { sample: database }: StartupConfig): readonly string[] {
  const url = `${withoutSlash(publicUrl)}/${database?.name ?? ''}`;
  return [
    `There is no configuration file, so the sample database "${database?.name ?? ''}" is served: whoever`,
    'reaches the public interface may read and write everything in it. Try:',
    '',
    `  curl -X PUT ${url}/hello -H 'Content-Type: application/json' -d '{"text": "Hello"}'`,
    `  curl ${url}/hello`,
    `  curl '${url}/_changes?include_docs=true'`,
  ];
}

function firstDatabase(adminUrl: string): readonly string[] {
  return [
    'Databases are made on the admin interface, for example:',
    '',
    `  curl -X PUT ${withoutSlash(adminUrl)}/mydb/ -H 'Content-Type: application/json' -d '{}'`,
  ];
}

function withoutSlash(url: string): string {
  return url.replace(/\/$/, '');
}
