import { isOff } from './harmless.ts';
import { group, laterOption, option, unneededOption } from './option.ts';
import { anything, flag, integer, oneOf } from './value-type.ts';

const offSwitch = { type: anything, default: undefined, isHarmless: isOff };

/** The group `unsupported` of a database's configuration. */
export const UNSUPPORTED_OPTIONS = group(
  'Options of the reference that it does not support itself.',
  {
    same_site_cookie: option({
      type: oneOf('Default', 'Lax', 'Strict', 'None'),
      default: 'Lax',
      about: '`SameSite` of the session cookie; `Default` leaves it to the browser.',
      live: true,
    }),
    warning_thresholds: group('Figures above which a warning is logged and counted; 0: never.', {
      xattr_size_bytes: unneededThreshold(943_718),
      channels_per_doc: threshold(50, 'Channels of a document.'),
      access_and_role_grants_per_doc: threshold(50, 'What the sync function grants for it.'),
      channels_per_user: unneededThreshold(50_000),
      channel_name_size: threshold(250, 'Characters of the name of a channel.'),
    }),
    guest_read_only: laterOption({ type: flag, default: false, about: 'The guest may not write.' }),
    force_api_forbidden_errors: laterOption({
      type: flag,
      default: false,
      about: 'Answer 403 instead of 404 where a user may not read.',
    }),
    user_views: laterOption({ ...offSwitch, about: 'Views that users define.' }),
    oidc_test_provider: laterOption({
      ...offSwitch,
      about: 'An OpenID Connect provider for tests.',
    }),
    api_endpoints: laterOption({ ...offSwitch, about: 'Whether there is `_flush`.' }),
    sgr_tls_skip_verify: laterOption({
      type: flag,
      default: false,
      about: 'Trust any certificate of replications.',
    }),
    oidc_tls_skip_verify: laterOption({
      type: flag,
      default: false,
      about: 'Trust any certificate of OpenID Connect providers.',
    }),
    remote_config_tls_skip_verify: laterOption({
      type: flag,
      default: false,
      about: 'Trust any certificate of functions’ URLs.',
    }),
    reject_writes_with_skipped_sequences: unneededOption({
      type: flag,
      default: false,
      about: 'Sequences are never skipped here.',
    }),
    use_query_resync_manager: unneededOption({
      type: flag,
      default: false,
      about: 'How resync finds documents.',
    }),
    resync_partitions: unneededOption({
      type: integer(1),
      default: undefined,
      about: 'In how many parts nodes share a resync.',
    }),
  },
);

function threshold(value: number, about: string) {
  return option({ type: integer(0), default: value, about, live: true });
}

function unneededThreshold(value: number) {
  return unneededOption({ type: integer(0), default: value, about: 'Does not matter here.' });
}
