/** What there is without a configuration file: a database that everybody may use. */
export const SAMPLE_DATABASE = {
  name: 'demo',
  config: { guest: { disabled: false, admin_channels: ['*'] } },
} as const;
