import type { JwtProviderConfig, LocalJwtConfig } from '../config/jwt-options.ts';
import type { Observer } from '../observability/events.ts';
import type { Clock } from '../util/clock.ts';
import type { OutgoingRequests } from '../util/outgoing-requests.ts';
import type { KeySet } from './key-set.ts';
import { localKeySet } from './key-set.ts';
import { RemoteKeySet } from './remote-key-set.ts';
import { TokenProvider } from './token-provider.ts';
import { TokenVerifier } from './token-verifier.ts';

interface ProviderServices {
  readonly outgoing: OutgoingRequests;
  readonly observer: Observer;
  readonly clock: Clock;
}

/** By the providers of `local_jwt`, checked; requests for their keys end with `opening`. */
export function openTokens(
  config: LocalJwtConfig,
  services: ProviderServices,
  opening: DisposableOwner,
): TokenVerifier {
  const providers = Object.entries(config).map(([name, provider]) => {
    const { issuer = '', client_id: clientId = '', algorithms } = provider;
    return new TokenProvider({
      issuer,
      clientId,
      algorithms,
      keys: keySetOf(name, provider, { services, opening }),
      register: provider.register,
      sessions: !provider.disable_session,
      skipExpiryCheck: provider.skip_expiry_check,
      usernameClaim: provider.username_claim,
      userPrefix: provider.user_prefix,
      rolesClaim: provider.roles_claim,
      channelsClaim: provider.channels_claim,
    });
  });
  return new TokenVerifier(providers, services.clock);
}

/** A stack of what is open. */
interface DisposableOwner {
  use<T extends Disposable>(opened: T): T;
}

function keySetOf(
  name: string,
  { keys, jwks_uri: url, algorithms }: JwtProviderConfig,
  { services, opening }: { readonly services: ProviderServices; readonly opening: DisposableOwner },
): KeySet {
  if (url === undefined) return localKeySet(keys);
  return opening.use(new RemoteKeySet({ url, algorithms, provider: name, ...services }));
}
